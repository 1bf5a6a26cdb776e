import { fulfilled, rejected } from '../domain/batch.ts'
import { againAfterDeadlock } from './deadlock.ts'
import { isOfTheServer } from './statement-errors.ts'

/**
 * Works on all items in one statement or transaction. If that fails, perhaps because of what one of them holds,
 * they are tried in smaller parts, down to one by one, so that only the guilty one is rejected.
 * @param work all or nothing; the outcomes in the order of the items
 * @param partsAfter which parts of what failed to try, halves if left out; what is in none of them is rejected
 */
export async function together<I, O>(
  items: readonly I[],
  work: (items: readonly I[]) => Promise<readonly O[]>,
  partsAfter: (items: readonly I[], error: unknown) => readonly (readonly I[])[] = halvesAfter,
): Promise<PromiseSettledResult<O>[]> {
  try {
    return (await againAfterDeadlock(() => work(items))).map(fulfilled)
  } catch (error) {
    const parts = items.length > 1 ? partsAfter(items, error) : []
    if (parts.length === 0) return items.map(() => rejected(error))
    const outcomes = new Map<I, PromiseSettledResult<O>>()
    for (const part of parts) {
      const ofPart = await together(part, work, partsAfter)
      for (const [index, outcome] of ofPart.entries()) outcomes.set(part[index] as I, outcome)
    }
    return items.map((item) => outcomes.get(item) ?? rejected(error))
  }
}

/** Halves, if the error may be of one of the items; else nothing. */
export function halvesAfter<I>(items: readonly I[], error: unknown): readonly (readonly I[])[] {
  if (isOfTheServer(error)) return []
  const middle = Math.ceil(items.length / 2)
  return [items.slice(0, middle), items.slice(middle)]
}

/**
 * Works on the first item of each key. What comes after it shares its failure, and gets `late` where the first
 * one succeeded: of two copies only one may do it.
 */
export async function firstOfEach<I, O>(
  items: readonly I[],
  keyOf: (item: I) => string,
  late: (first: O) => O,
  work: (items: readonly I[]) => Promise<readonly PromiseSettledResult<O>[]>,
): Promise<PromiseSettledResult<O>[]> {
  const indexes = new Map<string, number>()
  const firsts: I[] = []
  for (const item of items) {
    if (indexes.has(keyOf(item))) continue
    indexes.set(keyOf(item), firsts.length)
    firsts.push(item)
  }
  const outcomes = await work(firsts)
  return items.map((item) => {
    const index = indexes.get(keyOf(item)) ?? 0
    const outcome = outcomes[index] ?? rejected(new Error('there is no outcome'))
    if (firsts[index] === item || outcome.status === 'rejected') return outcome
    return fulfilled(late(outcome.value))
  })
}
