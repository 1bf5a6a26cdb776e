import { setTimeout as sleep } from 'node:timers/promises'
import { type ActivityCount, latencyBucket, type Measure, minuteOf } from '../domain/activity.ts'
import type { ProcessReport, ProcessState } from '../domain/process.ts'
import type { Transaction } from '../domain/transaction.ts'
import type { Log } from './ports.ts'
import { runWakefully, type Wakeful } from './wakeful.ts'

export interface ReportDependencies {
  readonly store: {
    addActivity(counts: readonly ActivityCount[]): Promise<void>
    forgetActivity(before: Date): Promise<void>
    reportProcess(report: ProcessReport): Promise<void>
    forgetProcess(id: string): Promise<void>
  }
  readonly process: Omit<ProcessReport, 'state'>
  /** What the process has to say of itself. */
  readonly readState: () => Promise<ProcessState>
  readonly log: Log
  readonly clock: () => Date
}

/** Tells the others, by the database, what this process does; the page and the command line show it. */
export interface Report {
  settled(transaction: Pick<Transaction, 'status' | 'createdAt' | 'settledAt'>): void
  reached(status: 'stalled' | 'expired'): void
  retried(reason: string): void
  stop(): Promise<void>
}

const COUNTS_INTERVAL_MS = 1_000
const STATE_INTERVAL_MS = 5_000
const FORGET_INTERVAL_MS = 600_000
/** A stop does not wait longer for a database that is away. */
const STOP_GRACE_MS = 1_000
const ACTIVITY_KEPT_MS = 24 * 3_600_000

/**
 * Counts what was committed, and writes the sums down each second: a process that dies takes at most a second of them
 * with it. They are for the eye; what must not be lost is in the rows.
 */
export function startReport({ store, process, readState, log, clock }: ReportDependencies): Report {
  let counts = new Map<string, ActivityCount>()

  function count(measure: Measure, label: string): void {
    const minute = minuteOf(clock().getTime())
    const key = `${minute.getTime()} ${measure} ${label}`
    counts.set(key, { minute, measure, label, count: (counts.get(key)?.count ?? 0) + 1 })
  }

  async function writeCounts(): Promise<void> {
    if (counts.size === 0) return
    const writing = counts
    counts = new Map()
    try {
      await store.addActivity([...writing.values()])
    } catch (error) {
      for (const [key, { count, ...rest }] of writing) {
        counts.set(key, { ...rest, count: count + (counts.get(key)?.count ?? 0) })
      }
      throw error
    }
  }

  async function writeState(): Promise<void> {
    await store.reportProcess({ ...process, state: await readState() })
  }

  function every(intervalMs: number, job: () => Promise<void>): Wakeful {
    return runWakefully({
      job: async () => {
        await job()
        return false
      },
      idleMs: intervalMs,
      gapMs: 0,
      onError: (error) => log.warn({ err: error }, 'nothing reported of this process; trying again'),
    })
  }

  async function leave(): Promise<void> {
    await Promise.all(jobs.map((job) => job.stop()))
    await Promise.allSettled([writeCounts(), store.forgetProcess(process.id)])
  }

  const jobs = [
    every(COUNTS_INTERVAL_MS, writeCounts),
    every(STATE_INTERVAL_MS, writeState),
    every(FORGET_INTERVAL_MS, () => store.forgetActivity(new Date(clock().getTime() - ACTIVITY_KEPT_MS))),
  ]
  return {
    settled: ({ status, createdAt, settledAt }) => {
      count('settled', status)
      const latencyMs = (settledAt ?? clock()).getTime() - createdAt.getTime()
      count('latency', latencyBucket(latencyMs))
    },
    reached: (status) => count('settled', status),
    retried: (reason) => count('retries', reason),
    stop: async () => {
      await Promise.race([leave(), sleep(STOP_GRACE_MS, undefined, { ref: false })])
    },
  }
}
