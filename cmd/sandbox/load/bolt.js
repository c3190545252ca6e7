// The same job with Slack's own framework: what `sandbox load -bolt` compares with. It keeps no more promises than the bare
// handler does (bare.go), and finds @slack/bolt and redis by NODE_PATH.
const http = require('node:http')
const { App, HTTPReceiver } = require('@slack/bolt')
const { createClient } = require('redis')

const redis = createClient({ url: process.env.REDIS_URL })
const agent = new http.Agent({ keepAlive: true, maxSockets: 128 })
const receiver = new HTTPReceiver({
  signingSecret: process.env.SLACK_SIGNING_SECRET,
  endpoints: '/slack/interactions',
  customRoutes: [{ path: '/readyz', method: 'GET', handler: (_, answer) => answer.end() }],
})
const app = new App({
  receiver,
  logLevel: 'error',
  authorize: async () => ({ botToken: process.env.SLACK_BOT_TOKEN, botId: 'B0BOT', botUserId: 'U0BOT' }),
})

const assign = (chat, member) =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify({ member_id: member })
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      Authorization: `Bearer ${process.env.INVENT_API_KEY}`,
    }
    const url = `${process.env.INVENT_API_URL}/chats/${chat}/state/assign`
    const request = http.request(url, { method: 'PATCH', agent, headers }, (answer) => {
      let text = ''
      answer.on('data', (part) => (text += part))
      answer.on('end', () => resolve(JSON.parse(text)))
    })
    request.on('error', reject)
    request.end(body)
  })

app.action(/^(take|release)$/, async ({ ack, action, body, respond }) => {
  await ack()
  const { chat } = JSON.parse(action.value)
  const member = await redis.get(`bare:${body.user.id}`)
  const state = await assign(chat, action.action_id === 'take' ? member : null)
  const user = state.assigned_user
  const [holder, next, seen] = user ? [`<@${body.user.id}>`, 'release', user.id] : ['Nobody', 'take', '']
  const value = JSON.stringify({ chat, seen })
  await respond({
    replace_original: true,
    text: `Conversation ${chat}: ${state.state}, ${holder}`,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: `Conversation ${chat}` } },
      {
        type: 'section',
        fields: [
          { type: 'mrkdwn', text: `*State*\n${state.state.toLowerCase()}` },
          { type: 'mrkdwn', text: `*Assignee*\n${holder}` },
        ],
      },
      { type: 'actions', elements: [{ type: 'button', action_id: next, value, text: { type: 'plain_text', text: next } }] },
    ],
  })
})

redis.connect().then(async () => {
  const [host, port] = process.env.ADDR.split(':')
  const server = await app.start({ host, port: Number(port) })
  const { address, port: bound } = server.address()
  console.log(JSON.stringify({ msg: 'listening', addr: `${address}:${bound}` }))
})
