/** What is counted by the minute, over all processes. */
export type Measure = 'settled' | 'retries' | 'latency'

/** So many of a measure with one label in one minute. */
export interface ActivityCount {
  /** The minute's beginning. */
  readonly minute: Date
  readonly measure: Measure
  /** Of `settled` the status, of `retries` the reason, of `latency` the bucket. */
  readonly label: string
  readonly count: number
}

export type LatencyQuantiles = {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

const MINUTE_MS = 60_000
/** A bucket's upper bound is so many times that of the one below: a quantile is off by a tenth at most. */
const BUCKET_GROWTH = 1.2

export function minuteOf(timeMs: number): Date {
  return new Date(Math.floor(timeMs / MINUTE_MS) * MINUTE_MS)
}

/** The number of the bucket that holds a latency, as its label. */
export function latencyBucket(latencyMs: number): string {
  return String(Math.ceil(Math.log(Math.max(1, latencyMs)) / Math.log(BUCKET_GROWTH)))
}

/** The quantiles of a histogram by bucket; each is its bucket's middle, in ms. Null if it is empty. */
export function quantilesOf(histogram: ReadonlyMap<string, number>): LatencyQuantiles | null {
  const buckets = [...histogram]
    .map(([label, count]) => ({ bucket: Number(label), count }))
    .toSorted((a, b) => a.bucket - b.bucket)
  const total = buckets.reduce((sum, { count }) => sum + count, 0)
  if (total === 0) return null
  const at = (share: number): number => {
    let before = 0
    for (const { bucket, count } of buckets) {
      before += count
      if (before >= share * total) return Math.round(BUCKET_GROWTH ** (bucket - 0.5))
    }
    return Math.round(BUCKET_GROWTH ** ((buckets.at(-1)?.bucket ?? 0) - 0.5))
  }
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** The count of the last 60 s, if what happened in the minute before was spread evenly. */
export function lastMinute(nowMs: number, countOf: (minute: Date) => number): number {
  const current = minuteOf(nowMs)
  const passed = (nowMs - current.getTime()) / MINUTE_MS
  return Math.round(countOf(current) + (1 - passed) * countOf(new Date(current.getTime() - MINUTE_MS)))
}

/** The last so many minutes, the oldest first, the current one last. */
export function lastMinutes(nowMs: number, count: number): readonly Date[] {
  const current = minuteOf(nowMs).getTime()
  return Array.from({ length: count }, (_, index) => new Date(current - (count - 1 - index) * MINUTE_MS))
}
