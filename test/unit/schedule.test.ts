import { expect, it } from 'vitest'
import { delayCovering, longestDelayMs, type RetryDelaysMs, retryDelayMs } from '../../src/domain/schedule.ts'
import { remainingMs, type Turn, turnOf } from '../../src/domain/turn.ts'

const DELAYS: RetryDelaysMs = [1000, 5000, 2000]
const NOW = new Date(1_000_000)
const inMs = (ms: number) => new Date(NOW.getTime() + ms)

it('takes the delays in their order and repeats the last', () => {
  expect([0, 1, 2, 3, 99].map((count) => retryDelayMs(DELAYS, count))).toEqual([1000, 5000, 2000, 2000, 2000])
})

it('knows the longest delay wherever it stands', () => {
  expect(longestDelayMs(DELAYS)).toBe(5000)
})

it('covers a remaining time with the shortest tier that is long enough', () => {
  expect([0, 1000, 1001, 2001, 60_000].map((ms) => delayCovering(DELAYS, ms))).toEqual([
    1000, 1000, 2000, 5000, 5000,
  ])
})

/** Of a check with retry count 2; `due` is when it was published for. */
function turn(retryCount: number, nextCheckAt: Date, due: Date | null = null): Turn {
  const check = { retryCount: 2, dueAt: due?.toISOString() ?? null }
  return turnOf({ retryCount, nextCheckAt }, check, NOW, longestDelayMs(DELAYS))
}

it('a message speaks for its row while both have one retry count and the row is due', () => {
  expect(turn(2, NOW)).toBe('due')
  expect(turn(2, inMs(-90_000))).toBe('due')
  expect(turn(2, inMs(250))).toBe('due')
  expect(turn(2, inMs(-90_000), inMs(-180_000))).toBe('due')
})

it('a copy of a message that was already acted on is superseded', () => {
  expect(turn(3, NOW)).toBe('superseded')
  expect(turn(0, NOW)).toBe('superseded')
  expect(turn(2, inMs(251))).toBe('superseded')
  expect(turn(2, inMs(251), inMs(-1_000))).toBe('superseded')
  expect(turn(3, inMs(251), inMs(251))).toBe('superseded')
})

it('the timer of a row is early where the clock was set back, and is not held up by more than the longest delay', () => {
  expect(turn(2, inMs(251), inMs(251))).toBe('early')
  expect(turn(2, inMs(5_250), inMs(5_250))).toBe('early')
  expect(turn(2, inMs(5_251), inMs(5_251))).toBe('due')
})

it('the remaining time is never negative', () => {
  expect(remainingMs({ nextCheckAt: inMs(-5) }, NOW)).toBe(0)
  expect(remainingMs({ nextCheckAt: null }, NOW)).toBe(0)
  expect(remainingMs({ nextCheckAt: inMs(5) }, NOW)).toBe(5)
})
