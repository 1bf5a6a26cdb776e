import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RoleProcess } from '../../../src/dev/role-process.ts'
import type { Drill } from '../drill.ts'
import { every } from '../faults.ts'
import { openScene } from '../scene.ts'
import { settleAndJudge } from '../settled.ts'

const ALARM_MS = 60_000
const LEAST_ALARM_MS = 10_000
const MEMORY_LIMIT_MB = 400
const NORMAL_WATERMARK = '0.4'

/** A broker that takes no messages holds nothing up but the checks, and costs no memory. */
export const memoryAlarm: Drill = {
  number: 11,
  title: 'broker memory alarm for 60 s under load',
  run: async (context) => {
    const { n, ledger, scaled, say, tally } = context
    const { parts, apis, workers, registrar } = await openScene(context)
    const alarmMs = scaled(ALARM_MS, LEAST_ALARM_MS)
    const entries = ledger.make(n)
    const warmUp = entries.slice(0, Math.round(n / 10))
    await registrar.register(warmUp)
    await parts.rabbitmq.control('set_vm_memory_high_watermark', '0.00001')
    say('the alarm is on')
    const most = { before: await largestMb([...apis.members(), ...workers.members()]), during: 0 }
    const measuring = every(500, async () => {
      const largest = await largestMb([...apis.members(), ...workers.members()])
      most.during = Math.max(most.during, largest)
    })
    const rest = entries.slice(warmUp.length)
    const registering = registrar.register(rest, { perSecond: (rest.length * 1_000) / alarmMs })
    await Promise.all([registering, sleep(alarmMs)])
    await parts.rabbitmq.control('set_vm_memory_high_watermark', NORMAL_WATERMARK)
    await measuring.stop()
    const answers = [...registrar.answers()].map(([status, count]) => `${count} × ${status}`).join(', ')
    say(`the alarm is over after ${alarmMs} ms; answers: ${answers}; largest process ${most.during} MB`)
    return settleAndJudge(context, parts, {
      conditions: [
        { text: `no process crashed (${tally.crashes})`, passed: tally.crashes === 0 },
        {
          text: `the largest process grew from ${most.before} to ${most.during} MB, at most ${MEMORY_LIMIT_MB}`,
          passed: most.during <= MEMORY_LIMIT_MB,
        },
      ],
    })
  },
}

async function largestMb(processes: readonly RoleProcess[]): Promise<number> {
  const sizes = await Promise.all(
    processes.map(async ({ pid }) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8')
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024
    }),
  )
  return Math.round(Math.max(...sizes))
}
