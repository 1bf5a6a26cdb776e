import { setTimeout as sleep } from 'node:timers/promises'
import type { Drill } from '../drill.ts'
import { openScene } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const DOWN_MS = 60_000
const LEAST_DOWN_MS = 5_000
const PER_SECOND = 100
const DRAIN_LIMIT_MS = 60_000

/** Without a broker everything is still recorded, and made up for when it is back. */
export const brokerDown: Drill = {
  number: 4,
  title: 'broker down 60 s, API at 100 requests/s',
  run: async (context) => {
    const { ledger, scaled, say, tally } = context
    const { parts, registrar } = await openScene(context)
    const downMs = scaled(DOWN_MS, LEAST_DOWN_MS)
    await parts.rabbitmq.kill()
    tally.kills += 1
    const entries = ledger.make(Math.round((downMs / 1_000) * PER_SECOND), { absent: 0 })
    await Promise.all([registrar.register(entries, { perSecond: PER_SECOND }), sleep(downMs)])
    const answers = [...registrar.answers()].map(([status, count]) => `${count} × ${status}`).join(', ')
    await parts.rabbitmq.restart()
    tally.restarts += 1
    say(`broker down for ${downMs} ms; answers: ${answers}`)
    return settleAndJudge(context, parts, {
      limitMs: DRAIN_LIMIT_MS,
      conditions: [
        {
          text: `all ${entries.length} answered 202 at once (${answers})`,
          passed: registrar.answers().get(202) === entries.length && registrar.answers().size === 1,
        },
      ],
    })
  },
}
