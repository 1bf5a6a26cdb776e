import { startRole } from '../../../src/dev/role-process.ts'
import type { Drill } from '../drill.ts'
import { startFleet } from '../fleet.ts'
import { QUEUE_ALONE, startParts } from '../parts.ts'
import { demand } from '../poll.ts'
import { countMessages } from '../queues.ts'
import { createRegistrar } from '../registrar.ts'
import { settleAndJudge } from '../settled.ts'

const KILLS = 30
/** Enough for a message to come under suspicion and, if it were treated as guilty, to be parked. */
const LEAST_KILLS = 8
const PREFETCH = 200
const LONG_MS = '60000'

/** Innocent messages are held by a worker that dies, again and again: none of them may be parked. */
export const fullPrefetch: Drill = {
  number: 9,
  title: 'a worker killed 30× while it holds a full prefetch',
  run: async (context) => {
    const { n, ledger, tally, scaled, say } = context
    const parts = await startParts(context, {
      settings: { WORKER_PREFETCH: String(PREFETCH), ...QUEUE_ALONE },
    })
    const apis = await startFleet(context, 'api', parts.environment, { size: 1 })
    const registrar = createRegistrar(parts.chain, apis.url)
    context.lifecycle.add('registrar', registrar.close)
    const entries = ledger.make(Math.max(n, PREFETCH), { absent: 0 })
    await registrar.register(entries)
    // A node that never answers keeps the worker's hands full.
    parts.node.faults = { hang: 1 }
    const kills = scaled(KILLS, LEAST_KILLS)
    for (let kill = 0; kill < kills; kill++) {
      const worker = await startRole('worker', { ...parts.environment, RPC_TIMEOUT_MS: LONG_MS })
      await demand('it holds a full prefetch, or all there is', async () => {
        const { inHand, ready } = await countMessages(parts)
        return inHand === PREFETCH || (inHand > 0 && ready === 0)
      })
      await worker.kill()
      tally.kills += 1
    }
    say(`${kills} workers killed, each with up to ${PREFETCH} messages in hand`)
    parts.node.faults = {}
    await startFleet(context, 'worker', parts.environment, { size: 4 })
    return settleAndJudge(context, parts)
  },
}
