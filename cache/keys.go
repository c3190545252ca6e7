package cache

// Each key the bot has in Redis. Keys of one atomic step share a hash tag, so that they
// live on one node of a cluster: {jobs} for the queue, the team's id for what is the team's.

const prefix = "inventbot:"

// Without a lifetime: an acknowledged request must never be dropped. They empty
// themselves as jobs are done, and Submit bounds them.
const (
	readyKey  = prefix + "{jobs}:ready"  // stream: jobs that may run now
	bodiesKey = prefix + "{jobs}:bodies" // hash: every open job's id → the job
	laterKey  = prefix + "{jobs}:later"  // sorted set: jobs that wait for a retry, by when
	tellKey   = prefix + "{jobs}:tell"   // sorted set: open jobs nobody was told about yet, by when to tell
)

// asideKey is a stream of the jobs that failed at each try for a reason of our own, the newest 1,000; 30 days after the last.
const asideKey = prefix + "{jobs}:aside"

// onceKey reserves one request of Slack's; it lives for an hour, well past Slack's last redelivery.
func onceKey(id string) string { return prefix + "{jobs}:once:" + id }

// laneKey lists the open jobs of one lane, first come first; gone when the last is done.
func laneKey(lane string) string { return prefix + "{jobs}:lane:" + lane }

// linksKey holds the links that admins made and people agreed to. Without a lifetime: nobody but an admin could
// make them again.
func linksKey(team string) string { return prefix + "{" + team + "}:links" }

// offerKey holds the question whether a Slack user is a member; 7 days.
func offerKey(team, user string) string { return prefix + "{" + team + "}:offer:" + user }

// heldKey lists what a Slack user asked for and was refused for want of a link, by when; each for an hour.
func heldKey(team, user string) string { return prefix + "{" + team + "}:held:" + user }

// triedKey lists who tried without a member, by when; 30 days after the last one.
func triedKey(team string) string { return prefix + "{" + team + "}:tried" }

// historyKey lists what was done through the bot, the newest 20,000 of 90 days.
func historyKey(team string) string { return prefix + "{" + team + "}:history" }

// toldKey says that admins were told of a trouble; gone when it is over, or after a week.
func toldKey(team, trouble string) string { return prefix + "{" + team + "}:told:" + trouble }

// noteKey holds a hand-over note whose sender is asked something about it; half an hour.
func noteKey(team, sender, id string) string {
	return prefix + "{" + team + "}:note:" + sender + ":" + id
}

// quietKey lists who wants no notices. Without a lifetime: nobody but the person can know it.
func quietKey(team string) string { return prefix + "{" + team + "}:quiet" }

// greetedKey lists who was welcomed. Without a lifetime: nobody is welcomed twice.
func greetedKey(team string) string { return prefix + "{" + team + "}:greeted" }

// homeKey holds what a Slack user's Home tab shows; 30 days after it was drawn last.
func homeKey(team, user string) string { return prefix + "{" + team + "}:home:" + user }

// linkKey holds a Slack user's member; a day.
func linkKey(team, user string) string { return prefix + "{" + team + "}:link:" + user }

// personKey holds who an Invent member is on Slack; an hour.
func personKey(team, member string) string { return prefix + "{" + team + "}:person:" + member }

// cardsKey holds the cards of a conversation that can be redrawn, and through whom it was
// assigned last; 30 days after the last change.
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

// redrawsKey lists the conversations whose cards are to be redrawn, by when; 30 days after the last one.
func redrawsKey(team string) string { return prefix + "{" + team + "}:redraws" }

// cardedKey lists the conversations that have cards, by when these were compared with the truth; 30 days after the last card.
func cardedKey(team string) string { return prefix + "{" + team + "}:carded" }
