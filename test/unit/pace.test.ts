import { expect, it } from 'vitest'
import { createPace } from '../../src/flows/pace.ts'

/** A pace that has seen blocks at these times. */
function paceAfter(timesMs: readonly number[]) {
  const pace = createPace()
  for (const timeMs of timesMs) pace.saw(timeMs)
  return pace
}

const STEADY = Array.from({ length: 10 }, (_, block) => 5_000 + block * 1_000)
const LAST_MS = 14_000

it('before any block, and without a steady beat, it asks every 250 ms at least', () => {
  expect(createPace().waitMs(0)).toBe(250)
  const unsteady = paceAfter([0, 1_000, 1_400, 4_000, 4_100, 9_000, 9_800, 12_000, 12_100, 14_000])
  for (const sinceMs of [10, 100, 1_000, 10_000]) {
    expect(unsteady.waitMs(LAST_MS + sinceMs)).toBeLessThanOrEqual(250)
  }
})

it('with a steady beat it asks nothing until just before the next block is due', () => {
  const pace = paceAfter(STEADY)
  expect(pace.waitMs(LAST_MS)).toBe(995)
  expect(pace.waitMs(LAST_MS + 500)).toBe(495)
})

it('around the time when a block is due it asks often, and ever less often the later the block is', () => {
  const pace = paceAfter(STEADY)
  expect(pace.waitMs(LAST_MS + 1_000)).toBeLessThanOrEqual(20)
  const waits = [1_000, 1_500, 2_000, 5_000].map((sinceMs) => pace.waitMs(LAST_MS + sinceMs))
  expect(waits).toEqual(waits.toSorted((a, b) => a - b))
  expect(waits.at(-1)).toBe(250)
})

it('a beat that stops is forgotten with the next blocks', () => {
  const pace = paceAfter([...STEADY, 17_700, 18_000])
  expect(pace.waitMs(18_010)).toBeLessThanOrEqual(250)
})
