import { readFile } from 'node:fs/promises'

/** How often the handlers of a drill were run, by kind and then by transaction. */
export type Runs = ReadonlyMap<string, ReadonlyMap<string, number>>

/** Reads what `handlers/run-log.js` wrote. */
export async function readRuns(file: string): Promise<Runs> {
  const runs = new Map<string, Map<string, number>>()
  const text = await readFile(file, 'utf8')
  for (const line of text.split('\n')) {
    const [kind, txHash] = line.split(' ')
    if (!kind || !txHash) continue
    const ofKind = runs.get(kind) ?? new Map<string, number>()
    ofKind.set(txHash, (ofKind.get(txHash) ?? 0) + 1)
    runs.set(kind, ofKind)
  }
  return runs
}

/** All runs of these kinds, the transactions that they were for, and the most that one of them had. */
export function countRuns(
  runs: Runs,
  kinds: readonly string[],
): { total: number; met: number; most: number } {
  const counts = kinds.flatMap((kind) => [...(runs.get(kind)?.values() ?? [])])
  const total = counts.reduce((sum, count) => sum + count, 0)
  return { total, met: counts.length, most: Math.max(0, ...counts) }
}
