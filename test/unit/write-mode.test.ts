import { expect, it } from 'vitest'
import { attemptText, writeModeOf } from '../../src/domain/write-mode.ts'

const policy = { handlerRetryLimit: 3 }

it.each([
  [0, false, 'together'],
  [0, true, 'alone'],
  [1, false, 'alone'],
  [2, true, 'alone'],
  [3, false, 'park'],
  [9, true, 'park'],
] as const)(
  'after %i failed attempts, a process may have ended: %s, a verdict is committed: %s',
  (handlerAttempts, mayHaveEndedAProcess, mode) => {
    expect(writeModeOf({ handlerAttempts }, policy, mayHaveEndedAProcess)).toBe(mode)
  },
)

it('what the row says of an attempt is true while it runs and after the process died in it', () => {
  const text = attemptText({ kind: 'order', lastError: null }, 2)
  expect(text).toMatch(/^attempt 2 .*'order'.* unless it runs right now, the process died in it$/)
})

it('what the row says of an attempt keeps why the one before failed, whichever died', () => {
  const lastError = 'the business write failed: no stock'
  const second = attemptText({ kind: 'order', lastError }, 2)
  expect(second).toMatch(/the process died in it\. Before that: the business write failed: no stock$/)
  const third = attemptText({ kind: 'order', lastError: second }, 3)
  expect(third).toMatch(
    /^attempt 3 .* the process died in it\. Before that: the business write failed: no stock$/,
  )
  expect(attemptText({ kind: 'order', lastError: 'x'.repeat(500) }, 2)).toHaveLength(500)
})
