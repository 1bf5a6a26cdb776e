import { type Fault, placeOf } from './faults.ts'
import { FIELD_MUTATIONS } from './mutations.ts'

/** What came of each fault that was met: by place, by mutation, by result. */
export interface Table {
  add(fault: Fault, result: string): void
  /** How often each result came of all faults. */
  totals(): ReadonlyMap<string, number>
  lines(): string[]
}

const PLACE_WIDTH = 34

export function createTable(): Table {
  const places = new Map<string, Map<string, Map<string, number>>>()
  const totals = new Map<string, number>()

  return {
    add: (fault, result) => {
      const mutations = at(places, placeOf(fault), () => new Map())
      const results = at(mutations, fault.mutation, () => new Map<string, number>())
      results.set(result, (results.get(result) ?? 0) + 1)
      totals.set(result, (totals.get(result) ?? 0) + 1)
    },
    totals: () => totals,
    lines: () => [
      'What came of each fault. times: how often it was met. Then each mutation, with how many of its checks ended in',
      'the right verdict all the same (another node answered, or the answer decides nothing), and how many in a lie.',
      ...[...places]
        .sort(([one], [other]) => one.localeCompare(other))
        .map(([place, mutations]) => {
          const times = [...mutations.values()].reduce((sum, results) => sum + total(results), 0)
          const cells = [...mutations]
            .sort(byOrder)
            .map(([mutation, results]) => `${mutation} ${cellOf(results)}`)
          return `${place.padEnd(PLACE_WIDTH)} ${String(times).padStart(6)}  ${cells.join(', ')}`
        }),
    ],
  }
}

function cellOf(results: ReadonlyMap<string, number>): string {
  const lies = results.get('lie') ?? 0
  return `${results.get('verdict') ?? 0}/${total(results)}${lies > 0 ? ` (${lies} lies)` : ''}`
}

function total(results: ReadonlyMap<string, number>): number {
  return [...results.values()].reduce((sum, times) => sum + times, 0)
}

function byOrder([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  const order: readonly string[] = FIELD_MUTATIONS
  return order.indexOf(one) - order.indexOf(other)
}

function at<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
