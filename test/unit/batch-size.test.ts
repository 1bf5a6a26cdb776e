import { expect, it } from 'vitest'
import { createBatchSize } from '../../src/chain/batch-size.ts'

const TEN_MINUTES_MS = 600_000

function sized(maxCalls = 200) {
  const time = { nowMs: 0 }
  const size = createBatchSize({ maxCalls, nowMs: () => time.nowMs })
  return { size, time }
}

it('a size that was refused is not tried for ten minutes, and approached slowly', () => {
  const { size, time } = sized()
  size.failed(200, 'size', 100)
  expect(size.current()).toBe(100)
  for (let batch = 0; batch < 19; batch++) size.succeeded(100)
  expect(size.current()).toBe(100)
  size.succeeded(100)
  expect(size.current()).toBe(110)
  for (let batch = 0; batch < 1_000; batch++) size.succeeded(size.current())
  expect(size.current()).toBe(199)
  time.nowMs = TEN_MINUTES_MS
  size.succeeded(199)
  expect(size.current()).toBe(200)
})

it('only full batches raise it', () => {
  const { size } = sized()
  size.failed(200, 'size', 100)
  for (let batch = 0; batch < 100; batch++) size.succeeded(99)
  expect(size.current()).toBe(100)
})

it('a failure that may be chance leaves a size that was answered of late', () => {
  const { size } = sized()
  size.succeeded(200)
  for (let failure = 0; failure < 20; failure++) {
    size.failed(size.current(), 'unknown', 1)
    size.shrink(size.current())
  }
  expect(size.current()).toBe(200)
})

it('a failure that may be chance halves what was not answered yet, and each full batch doubles it again', () => {
  const { size } = sized()
  for (let failure = 0; failure < 20; failure++) size.failed(size.current(), 'unknown', 1)
  expect(size.current()).toBe(1)
  for (const expected of [2, 4, 8, 16, 32, 64, 128, 200, 200]) {
    size.succeeded(size.current())
    expect(size.current()).toBe(expected)
  }
})

it('the same where a size was refused: it doubles up to what it was, and goes on slowly', () => {
  const { size } = sized()
  size.failed(200, 'size', 100)
  size.failed(100, 'unknown', 50)
  expect(size.current()).toBe(50)
  size.succeeded(50)
  expect(size.current()).toBe(100)
  size.succeeded(100)
  expect(size.current()).toBe(100)
})

it('a time-out of many calls, of a size that was never answered, refuses it', () => {
  const { size } = sized()
  size.failed(200, 'timeout', 50)
  for (let batch = 0; batch < 10_000; batch++) size.succeeded(size.current())
  expect(size.current()).toBe(199)
})

it.each([50, 2])(
  'of a size that was answered before, and of few calls, three in a row refuse it: %i',
  (calls) => {
    const { size } = sized()
    size.succeeded(50)
    const failTwice = () => {
      for (let timeout = 0; timeout < 2; timeout++) size.failed(calls, 'timeout', 1)
    }
    failTwice()
    size.succeeded(calls)
    failTwice()
    for (let batch = 0; batch < 10; batch++) size.succeeded(size.current())
    expect(size.current()).toBe(200)
    failTwice()
    size.failed(calls, 'timeout', 1)
    for (let batch = 0; batch < 10_000; batch++) size.succeeded(size.current())
    expect(size.current()).toBe(calls - 1)
  },
)

it('a size is proven for ten minutes', () => {
  const { size, time } = sized()
  size.succeeded(30)
  expect([size.isProven(30), size.isProven(31)]).toEqual([true, false])
  time.nowMs = TEN_MINUTES_MS
  expect(size.isProven(30)).toBe(false)
})

it('it is never less than one', () => {
  const { size } = sized(1)
  size.failed(2, 'size', 1)
  size.shrink(1)
  size.succeeded(1)
  expect(size.current()).toBe(1)
})
