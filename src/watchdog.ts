import { Worker } from 'node:worker_threads'
import type { WriteWatch } from './flows/business-write.ts'

export interface WatchdogOptions {
  /** How long the event loop may stand still before the process is ended. */
  readonly limitMs: number
  /** Fields of the log line, as all others have them. */
  readonly base: Readonly<Record<string, string | number>>
  readonly onError: (error: Error) => void
}

export interface Watchdog extends WriteWatch {
  stop(): Promise<void>
}

const BEAT_INTERVAL_MS = 250
/** Of the note of which business writes run. */
const NOTE_BYTES = 4_096
const WRITES_NAMED = 8

/**
 * Ends the process when its event loop stands still for too long: a business write that never yields stops every timer,
 * its own time limit among them. Another thread watches, says which business writes ran, and ends the process with
 * SIGKILL, since no other signal would be handled. The row says the rest: the attempt was counted before it began.
 */
export function startWatchdog({ limitMs, base, onError }: WatchdogOptions): Watchdog {
  const beat = new Int32Array(new SharedArrayBuffer(4))
  const note = new Uint8Array(new SharedArrayBuffer(NOTE_BYTES))
  const running = new Map<number, string>()
  const encoder = new TextEncoder()
  let begun = 0

  function writeNote(): void {
    const latest = [...running.values()].slice(-WRITES_NAMED).reverse()
    note.fill(0)
    // Into a shared buffer only by a copy: encodeInto refuses one.
    note.set(encoder.encode(latest.join(', ')).subarray(0, NOTE_BYTES - 1))
  }

  const beating = setInterval(() => Atomics.add(beat, 0, 1), BEAT_INTERVAL_MS)
  beating.unref()
  const worker = startThread()

  /** Null where it can't be started, as under Node's permission model without `--allow-worker`. */
  function startThread(): Worker | null {
    try {
      const started = new Worker(WATCH, { eval: true, workerData: { beat, note, limitMs, base } })
      started.unref()
      started.on('error', onError)
      return started
    } catch (error) {
      onError(error as Error)
      return null
    }
  }

  return {
    begin: ({ id, kind, txHash }) => {
      begun += 1
      const key = begun
      running.set(key, `kind '${kind}', transaction ${id}, ${txHash}`)
      writeNote()
      return () => {
        running.delete(key)
        writeNote()
      }
    },
    stop: async () => {
      clearInterval(beating)
      await worker?.terminate()
    },
  }
}

/** Text, since it runs the same from sources and from the build, and needs nothing but Node. */
const WATCH = `
  const { workerData: { beat, note, limitMs, base } } = require('node:worker_threads')
  const { writeSync } = require('node:fs')
  const { performance } = require('node:perf_hooks')
  let seen = -1
  let since = performance.now()
  let last = since
  setInterval(() => {
    const now = performance.now()
    // The whole process was suspended, and not only its event loop.
    if (now - last > 2_000) since = now
    last = now
    const current = Atomics.load(beat, 0)
    if (current !== seen) {
      seen = current
      since = now
      return
    }
    if (now - since < limitMs) return
    const writes = Buffer.from(note).toString('utf8').split('\\0')[0]
    const msg = 'the event loop stood still; this process ends itself, and a supervisor should start it again. ' +
      'Business writes that ran, the latest first: ' + (writes || 'none')
    const line = { level: 60, time: new Date().toISOString(), ...base, stoodStillMs: Math.round(now - since), writes, msg }
    writeSync(1, JSON.stringify(line) + '\\n')
    process.kill(process.pid, 'SIGKILL')
  }, 250)
`

/** Where no code runs that is not ours. */
export const NO_WATCHDOG: Watchdog = { begin: () => () => undefined, stop: async () => undefined }
