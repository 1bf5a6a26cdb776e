import { setTimeout as sleep } from 'node:timers/promises'
import type { Drill } from '../drill.ts'
import { QUEUE_ALONE } from '../parts.ts'
import { purgeAll } from '../queues.ts'
import { appear } from '../registrar.ts'
import { openScene } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const PENDING = 5_000
const PURGES = 5

/** Every message is taken away while the transactions are pending. Without the sweep this drill fails. */
export const queuesPurged: Drill = {
  number: 5,
  title: 'every queue purged with 5,000 pending',
  run: async (context) => {
    const { ledger, scaled, say } = context
    const { parts, registrar } = await openScene(context, { settings: QUEUE_ALONE })
    const { chain } = parts
    const entries = ledger.make(scaled(PENDING, 50), { absent: 0 })
    // On the chain only after the purge, so that all of them are pending then.
    const later = entries.map((entry) => ({ ...entry, truth: null }))
    await registrar.register(later)
    for (const entry of entries) entry.recorded = true
    let purged = 0
    for (let round = 0; round < PURGES; round++) {
      purged += await purgeAll(parts)
      await sleep(50)
    }
    for (const entry of entries) appear(chain, entry)
    say(`${purged} checks purged in ${PURGES} rounds with ${entries.length} pending`)
    return settleAndJudge(context, parts, {
      conditions: [
        { text: `checks were there to be purged (${purged})`, passed: purged >= entries.length / 2 },
      ],
    })
  },
}
