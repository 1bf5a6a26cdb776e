import { expect, it, vi } from 'vitest'
import { type BatchOptions, createBatch, fulfilled, rejected } from '../../src/domain/batch.ts'

/** A batch whose runs end when the test says so. */
function controlled(options: Pick<BatchOptions<number, number>, 'maxItems' | 'maxRunning' | 'patience'>) {
  const runs: { items: readonly number[]; end: () => void }[] = []
  const add = createBatch({
    ...options,
    run: (items: readonly number[]) =>
      new Promise<PromiseSettledResult<number>[]>((resolve) => {
        runs.push({ items, end: () => resolve(items.map((item) => fulfilled(item * 10))) })
      }),
  })
  return { add, runs, sizes: () => runs.map(({ items }) => items.length) }
}

const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

it('an item alone is worked on at once, by itself', async () => {
  const { add, runs } = controlled({ maxItems: 10, maxRunning: 1 })
  const outcome = add(1)
  await turn()
  expect(runs.map(({ items }) => items)).toEqual([[1]])
  runs[0]?.end()
  expect(await outcome).toBe(10)
})

it('what comes in one turn is worked on together, as far as the limit, each with its own outcome', async () => {
  const { add, runs, sizes } = controlled({ maxItems: 3, maxRunning: 2 })
  const outcomes = [1, 2, 3, 4, 5].map(add)
  await turn()
  expect(sizes()).toEqual([3, 2])
  for (const { end } of runs) end()
  expect(await Promise.all(outcomes)).toEqual([10, 20, 30, 40, 50])
})

it('what comes while the runs are taken waits, and is the next run together', async () => {
  const { add, runs, sizes } = controlled({ maxItems: 10, maxRunning: 1 })
  const outcomes = [add(1)]
  await turn()
  for (const item of [2, 3, 4]) {
    outcomes.push(add(item))
    await turn()
  }
  expect(sizes()).toEqual([1])
  runs[0]?.end()
  await turn()
  expect(sizes()).toEqual([1, 3])
  runs[1]?.end()
  expect(await Promise.all(outcomes)).toEqual([10, 20, 30, 40])
})

it('while runs are young, only a full run is begun beside them; once they are old, any', async () => {
  const { add, runs, sizes } = controlled({ maxItems: 3, maxRunning: 9, patience: { runs: 1, ms: 50 } })
  const outcomes = [add(1)]
  await turn()
  outcomes.push(add(2), add(3))
  await turn()
  expect(sizes()).toEqual([1])
  outcomes.push(add(4))
  await turn()
  expect(sizes()).toEqual([1, 3])
  outcomes.push(add(5))
  await vi.waitUntil(() => sizes().length === 3, 10_000)
  for (const { end } of runs) end()
  expect(await Promise.all(outcomes)).toEqual([10, 20, 30, 40, 50])
})

it('an item that is rejected takes no other along, and a run that fails is the failure of all its items', async () => {
  const add = createBatch({
    maxItems: 10,
    maxRunning: 1,
    run: async (items: readonly number[]) => {
      if (items.includes(99)) throw new Error('the run failed')
      return items.map((item) => (item === 2 ? rejected(new Error('two')) : fulfilled(item)))
    },
  })
  const each = await Promise.allSettled([1, 2, 3].map(add))
  expect(each.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  const failed = await Promise.allSettled([98, 99].map(add))
  expect(failed.map((outcome) => outcome.status === 'rejected' && outcome.reason.message)).toEqual([
    'the run failed',
    'the run failed',
  ])
  expect(await add(5)).toBe(5)
})

it('an item for which the run has no outcome is rejected, and not left waiting', async () => {
  const add = createBatch({ maxItems: 10, maxRunning: 1, run: async () => [fulfilled(1)] })
  const outcomes = await Promise.allSettled([1, 2].map(add))
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
})
