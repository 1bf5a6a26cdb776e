import { expect, it } from 'vitest'
import { delayCovering, longestDelayMs, type RetryDelaysMs, retryDelayMs } from '../../src/domain/schedule.ts'
import { isSuperseded, remainingMs } from '../../src/domain/turn.ts'

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

it('a message speaks for its row while both have one retry count and the row is due', () => {
  expect(isSuperseded({ retryCount: 2, nextCheckAt: NOW }, { retryCount: 2 }, NOW)).toBe(false)
  expect(isSuperseded({ retryCount: 2, nextCheckAt: inMs(-90_000) }, { retryCount: 2 }, NOW)).toBe(false)
  expect(isSuperseded({ retryCount: 2, nextCheckAt: inMs(250) }, { retryCount: 2 }, NOW)).toBe(false)
})

it('a copy of a message that was already acted on is superseded', () => {
  expect(isSuperseded({ retryCount: 3, nextCheckAt: NOW }, { retryCount: 2 }, NOW)).toBe(true)
  expect(isSuperseded({ retryCount: 0, nextCheckAt: NOW }, { retryCount: 2 }, NOW)).toBe(true)
  expect(isSuperseded({ retryCount: 2, nextCheckAt: inMs(251) }, { retryCount: 2 }, NOW)).toBe(true)
})

it('the remaining time is never negative', () => {
  expect(remainingMs({ nextCheckAt: inMs(-5) }, NOW)).toBe(0)
  expect(remainingMs({ nextCheckAt: null }, NOW)).toBe(0)
  expect(remainingMs({ nextCheckAt: inMs(5) }, NOW)).toBe(5)
})
