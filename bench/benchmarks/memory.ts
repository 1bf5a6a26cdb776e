import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lifecycle } from '../../src/lifecycle.ts'
import type { Benchmark, Figures } from '../benchmark.ts'
import { createPoster, startReplayChain } from '../chains.ts'
import { countSettled, startConfirmd } from '../confirmd.ts'
import { sendLoad } from '../load.ts'
import type { Parts } from '../parts.ts'
import { watchSettled } from '../settled.ts'

const PER_SECOND = 1_000
const SECONDS = 300
const IDLE_MS = 10_000
const SAMPLE_MS = 1_000
const TIMEOUT_MS = 120_000

const ROLES = ['api', 'worker'] as const

export const memory: Benchmark = {
  name: 'memory',
  method: `Resident memory of each role, in MB: idle for ${IDLE_MS / 1_000} s after its start, and at ${PER_SECOND} tx/s for ${SECONDS} s (the median of a sample each second, and the largest).`,
  aims: (median) => {
    const most = median('worker', 'most MB')
    return [{ text: `worker at most 150 MB (${Math.round(most)})`, reached: most <= 150 }]
  },
  variants: async ({ smoke, parts }) => {
    const measure = createMeasure(parts, smoke ? 2 : SECONDS, smoke ? 500 : IDLE_MS)
    return ROLES.map((role) => ({ name: role, run: (each: Lifecycle) => measure(role, each) }))
  },
}

/** One run is of both roles: the second variant of a round has the figures of the first one's run. */
function createMeasure(parts: Parts, seconds: number, idleMs: number) {
  let known: Partial<Record<(typeof ROLES)[number], Figures>> = {}
  return async (role: (typeof ROLES)[number], lifecycle: Lifecycle): Promise<Figures> => {
    const found = known[role]
    if (!found) known = await drive(lifecycle, parts, seconds, idleMs)
    const figures = found ?? known[role]
    delete known[role]
    if (!figures) throw new Error(`no figures of ${role}`)
    return figures
  }
}

async function drive(
  lifecycle: Lifecycle,
  parts: Parts,
  seconds: number,
  idleMs: number,
): Promise<Record<(typeof ROLES)[number], Figures>> {
  const chain = await startReplayChain(lifecycle)
  const { apiUrl, db, api, workers } = await startConfirmd(lifecycle, parts, { nodeUrl: chain.url })
  const pids = { api: api.pid, worker: workers[0]?.pid ?? 0 }
  await sleep(idleMs)
  const idle = { api: await residentMb(pids.api), worker: await residentMb(pids.worker) }
  const samples = { api: [] as number[], worker: [] as number[] }
  const sampling = setInterval(() => {
    for (const role of ROLES) void residentMb(pids[role]).then((mb) => samples[role].push(mb))
  }, SAMPLE_MS)
  lifecycle.add('sampling', () => clearInterval(sampling))
  const watch = watchSettled(() => countSettled(db))
  lifecycle.add('watch', watch.stop)
  const count = PER_SECOND * seconds
  await sendLoad(createPoster(lifecycle), chain, apiUrl, {
    ...{ count, size: 10, perSecond: PER_SECOND },
    concurrency: 32,
    kind: 'plain',
  })
  await watch.until(count, TIMEOUT_MS)
  const figuresOf = (role: (typeof ROLES)[number]): Figures => {
    const sorted = samples[role].toSorted((a, b) => a - b)
    return {
      'idle MB': idle[role],
      'median MB': sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
      'most MB': sorted.at(-1) ?? Number.NaN,
    }
  }
  return { api: figuresOf('api'), worker: figuresOf('worker') }
}

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024
}
