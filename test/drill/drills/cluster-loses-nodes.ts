import { setTimeout as sleep } from 'node:timers/promises'
import type { Drill } from '../drill.ts'
import { createNodeKiller, judgeKills } from '../node-kills.ts'
import { QUEUE_ALONE, startPartsWithCluster } from '../parts.ts'
import { openSceneOn } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const BROKERS = 3
const KILLS = 12
const LEAST_KILLS = 3
/** A node listens again after 5 to 7 s: transactions come in before, meanwhile and after. */
const LOAD_S = 9
/** A node is killed at a moment between these, after the transactions began to come in. */
const KILL_AFTER_MS = { earliest: 1_000, latest: 3_000 }

/** The broker is a cluster, of which one node after the other is lost: the processes go on at the others. */
export const clusterLosesNodes: Drill = {
  number: 21,
  title: 'a RabbitMQ cluster of three, one node after the other killed every 10 s',
  run: async (context) => {
    const { n, ledger, random, scaled, say, tally } = context
    const started = await startPartsWithCluster(context, { brokers: BROKERS, settings: QUEUE_ALONE })
    const { parts, registrar } = await openSceneOn(context, started)
    const needed = scaled(KILLS, LEAST_KILLS)
    const entries = ledger.make(n)
    const share = Math.ceil(n / needed)
    const moment = random('moments of the kills')
    const killer = createNodeKiller(context, parts)
    for (let from = 0; from < n; from += share) {
      await killer.untilDue()
      const some = entries.slice(from, from + share)
      const registering = registrar.register(some, { perSecond: some.length / LOAD_S })
      const { earliest, latest } = KILL_AFTER_MS
      await sleep(earliest + moment() * (latest - earliest))
      await Promise.all([killer.kill(), registering])
    }
    const kills = killer.done()
    const downMs = kills.map((kill) => kill.downMs)
    const answers = [...registrar.answers()].map(([status, count]) => `${count} × ${status}`).join(', ')
    say(`${kills.length} nodes killed, down for ${Math.min(...downMs)} to ${Math.max(...downMs)} ms each`)
    say(`answers: ${answers}`)
    return settleAndJudge(context, parts, {
      conditions: [
        ...judgeKills(kills, needed),
        { text: `no process crashed (${tally.crashes})`, passed: tally.crashes === 0 },
      ],
    })
  },
}
