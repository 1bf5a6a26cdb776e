import type { Drill } from '../drill.ts'
import { pollUntil } from '../poll.ts'
import { openScene } from '../scene.ts'
import { countPending, settleAndJudge } from '../settled.ts'

const FAULTS_AT_MOST_MS = 240_000
const NODES = 3
/** Less than the time over which a replacement must be seen. */
const INDEX_LAG_MS = 6_000

/** Three bad nodes, of which one is on another chain and shows the opposite of every outcome. */
export const badNodes: Drill = {
  number: 7,
  title: 'RPC 30% errors, 20% 429, 10% hanging, 10% stale, one of three nodes on another chain',
  run: async (context) => {
    const { n, ledger, random, say } = context
    const strangerAt = Math.floor(random('stranger')() * NODES)
    const { parts, registrar } = await openScene(context, { nodes: NODES, strangerAt })
    for (const node of parts.nodes) {
      node.faults = { error: 0.3, tooManyRequests: 0.2, hang: 0.1, stale: 0.1, indexLagMs: INDEX_LAG_MS }
    }
    await registrar.register(ledger.make(n, { replaced: 0.02 }))
    const worked = await pollUntil(async () => (await countPending(parts)) < n / 2, {
      timeoutMs: FAULTS_AT_MOST_MS,
      intervalMs: 500,
    })
    say(`node ${strangerAt + 1} of ${NODES} is on another chain; the faults end now`)
    const requests = parts.nodes.map((node) => node.requests())
    for (const node of parts.nodes) node.faults = {}
    return settleAndJudge(context, parts, {
      conditions: [
        {
          text: `half of them got a verdict during the faults (requests by node: ${requests.join(', ')})`,
          passed: worked,
        },
      ],
    })
  },
}
