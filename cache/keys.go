package cache

// Every key that the bot has in Redis. Keys used in one atomic step share a hash tag, so that they
// live on one node of a cluster: {jobs} for the queue, the team's id for what belongs to a team.

const prefix = "inventbot:"

// These keys have no lifetime, for an acknowledged request must never be dropped. They
// shrink as jobs are done, and Submit bounds them.
const (
	readyKey  = prefix + "{jobs}:ready"  // stream: jobs that may run now
	bodiesKey = prefix + "{jobs}:bodies" // hash: every open job's id → the job
	laterKey  = prefix + "{jobs}:later"  // sorted set: jobs that wait for a retry, by when they are due
	tellKey   = prefix + "{jobs}:tell"   // sorted set: open jobs whose person wasn't told yet that they take long, by when to tell
)

// asideKey is a stream of jobs that failed at every try through a fault of the bot's, the newest 1,000; 30 days after the last.
const asideKey = prefix + "{jobs}:aside"

// onceKey reserves one request from Slack; an hour, well past Slack's last redelivery.
func onceKey(id string) string { return prefix + "{jobs}:once:" + id }

// laneKey lists the open jobs of one lane in the order they came; it is gone when the last is done.
func laneKey(lane string) string { return prefix + "{jobs}:lane:" + lane }

// linksKey holds the links that admins made and people agreed to. It has no lifetime: only an admin could make
// them again.
func linksKey(team string) string { return prefix + "{" + team + "}:links" }

// offerKey holds the question whether a Slack user is a member; 7 days.
func offerKey(team, user string) string { return prefix + "{" + team + "}:offer:" + user }

// heldKey lists a Slack user's requests that were refused for want of a link, by when; each for an hour.
func heldKey(team, user string) string { return prefix + "{" + team + "}:held:" + user }

// triedKey lists the Slack users who tried to act without a member, by when they last did; 30 days after the last one.
func triedKey(team string) string { return prefix + "{" + team + "}:tried" }

// historyKey lists what was done through the bot in 90 days, the newest 20,000.
func historyKey(team string) string { return prefix + "{" + team + "}:history" }

// toldKey says that admins were told of a trouble; until it is over, or a week.
func toldKey(team, trouble string) string { return prefix + "{" + team + "}:told:" + trouble }

// noteKey holds a hand-over note while its sender still has a question to answer; half an hour.
func noteKey(team, sender, id string) string {
	return prefix + "{" + team + "}:note:" + sender + ":" + id
}

// quietKey lists who wants no notices. It has no lifetime: nobody but the person can know it.
func quietKey(team string) string { return prefix + "{" + team + "}:quiet" }

// greetedKey lists who was welcomed. It has no lifetime: nobody is welcomed twice.
func greetedKey(team string) string { return prefix + "{" + team + "}:greeted" }

// homeKey holds what a Slack user's Home tab shows; 30 days after it was last drawn.
func homeKey(team, user string) string { return prefix + "{" + team + "}:home:" + user }

// linkKey holds a Slack user's member; a day.
func linkKey(team, user string) string { return prefix + "{" + team + "}:link:" + user }

// personKey holds who an Invent member is on Slack; an hour.
func personKey(team, member string) string { return prefix + "{" + team + "}:person:" + member }

// cardsKey holds the cards of a conversation that can be redrawn, the state they show, and through
// whom it was last assigned; 30 days after the last change.
func cardsKey(team, chat string) string { return prefix + "{" + team + "}:cards:" + chat }

// reachKey holds who can read a channel; ten minutes.
func reachKey(team, channel string) string { return prefix + "{" + team + "}:reach:" + channel }

// leaderKey names the process that follows the team's inbox; 15 s.
func leaderKey(team string) string { return prefix + "{" + team + "}:leader" }

// handoffsKey holds which conversations wait or waited for a human; 30 days after the last change.
func handoffsKey(team string) string { return prefix + "{" + team + "}:handoffs" }

// noticesKey holds what became of the announcements; 30 days after the last change.
func noticesKey(team string) string { return prefix + "{" + team + "}:notices" }

// troubleKey says that nothing can be posted in a channel; ten minutes.
func troubleKey(team, channel string) string { return prefix + "{" + team + "}:trouble:" + channel }

// redrawsKey lists the conversations whose cards are to be redrawn, by when; 30 days after the last request.
func redrawsKey(team string) string { return prefix + "{" + team + "}:redraws" }

// cardedKey lists the conversations that have cards, by when these were last drawn or compared with Invent; 30 days after the last card.
func cardedKey(team string) string { return prefix + "{" + team + "}:carded" }
