import { expect, it } from 'vitest'
import { runWakefully } from '../../src/flows/wakeful.ts'
import { until } from '../support/until.ts'

const NEVER_MS = 1_000_000

it('runs once at the start, and again when it is woken, also during a run', async () => {
  let runs = 0
  let letGo: () => void = () => undefined
  const job = async () => {
    runs += 1
    await new Promise<void>((resolve) => {
      letGo = resolve
    })
    return false
  }
  const wakeful = runWakefully({ job, idleMs: NEVER_MS, gapMs: 0, onError: () => undefined })
  await until('it runs', () => runs === 1)
  wakeful.wake()
  letGo()
  await until('it runs again', () => runs === 2)
  letGo()
  await wakeful.stop()
  expect(runs).toBe(2)
})

it('runs on while there is more, and every idleMs though nobody wakes it', async () => {
  let runs = 0
  const wakeful = runWakefully({
    job: async () => ++runs < 5,
    idleMs: 10,
    gapMs: NEVER_MS,
    onError: () => undefined,
  })
  await until('it has run until there was no more', () => runs === 5)
  await wakeful.stop()
  const idle = runWakefully({ job: async () => ++runs < 0, idleMs: 10, gapMs: 0, onError: () => undefined })
  await until('it ran three times more', () => runs >= 8)
  await idle.stop()
})

it('goes on after errors, tells only of the first of a row, and does not hurry while it fails', async () => {
  const told: unknown[] = []
  let runs = 0
  const wakeful = runWakefully({
    job: async () => {
      runs += 1
      if (runs !== 3) throw new Error(`run ${runs}`)
      return false
    },
    idleMs: 10,
    gapMs: 0,
    onError: (error) => {
      told.push((error as Error).message)
      wakeful.wake()
    },
  })
  await until('it has run six times', () => runs >= 6)
  await wakeful.stop()
  expect(told).toEqual(['run 1', 'run 4'])
})

it('a stop ends its rest at once, waits for the run under way, and nothing runs afterwards', async () => {
  let runs = 0
  let ended = false
  const resting = runWakefully({
    job: async () => ++runs < 0,
    idleMs: NEVER_MS,
    gapMs: 0,
    onError: () => undefined,
  })
  await until('it has run', () => runs === 1)
  await resting.stop()
  resting.wake()
  const running = runWakefully({
    job: async () => {
      runs += 1
      await new Promise((resolve) => setTimeout(resolve, 30))
      ended = true
      return true
    },
    idleMs: NEVER_MS,
    gapMs: 0,
    onError: () => undefined,
  })
  await running.stop()
  expect(ended).toBe(true)
  expect(runs).toBe(2)
})
