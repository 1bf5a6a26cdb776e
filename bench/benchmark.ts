import type { Lifecycle } from '../src/lifecycle.ts'
import type { Parts } from './parts.ts'

/** Figures of one run by their names; the units are in the names. */
export type Figures = Readonly<Record<string, number>>

/** One of the things that are compared. */
export interface Variant {
  readonly name: string
  /** Does it once; what it starts, it registers with the lifecycle of this run. */
  run(lifecycle: Lifecycle): Promise<Figures>
}

export interface BenchmarkContext {
  /** A small run, to see that it works: its figures mean nothing. */
  readonly smoke: boolean
  /** Lives as long as the benchmark. */
  readonly lifecycle: Lifecycle
  /** Shared by all benchmarks of a run. */
  readonly parts: Parts
}

export interface Benchmark {
  readonly name: string
  /** What is measured and how, for docs/performance.md. */
  readonly method: string
  /** The aim and whether the medians reach it; empty if there is none. */
  aims(median: (variant: string, figure: string) => number): readonly Aim[]
  variants(context: BenchmarkContext): Promise<readonly Variant[]>
}

export interface Aim {
  readonly text: string
  readonly reached: boolean
}

/** The median, and the smallest and largest, of the rounds. */
export interface Measured {
  readonly median: number
  readonly least: number
  readonly most: number
}

export function measured(values: readonly number[]): Measured {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = Number.isInteger(middle)
    ? ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
    : (sorted[Math.floor(middle)] ?? Number.NaN)
  return { median, least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN }
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
