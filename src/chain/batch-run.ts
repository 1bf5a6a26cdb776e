import type { BatchFailure, BatchSize } from './batch-size.ts'
import { type BoundCalls, isSizeRefusal, type PendingCall } from './bound-calls.ts'
import { RpcError, type RpcErrorCode } from './rpc-error.ts'
import { BATCH } from './rpc-transport.ts'

export interface BatchRunOptions {
  readonly node: string
  readonly calls: Pick<BoundCalls, 'sendBatch' | 'sendSingly' | 'sendProbe'>
  readonly size: BatchSize
  /** Told of a call that fails alone at a node that answers others: it must not take others along again. */
  readonly onFailsAlone: (call: PendingCall) => void
}

/** Calls that are in flight together at a node that takes no batches. */
export const MAX_SINGLE_CALLS = 8
/** Single calls in a row that fail before the node counts as down and the rest is not asked. */
const SINGLE_FAILURES_OF_A_NODE_DOWN = 2
/** How often a size that failed is tried again, with calls that cost a node nothing, before it counts as refused. */
const PROBES = 3

/** Failures that a smaller batch would meet as well. */
const NEVER_HALVED: ReadonlySet<RpcErrorCode> = new Set([
  'unreachable',
  'rate-limited',
  'resting',
  'busy',
  'wrong-chain',
])

/** Calls that are still to be asked. */
interface Part {
  readonly calls: readonly PendingCall[]
  /** Even the two calls of a batch of one failed. */
  readonly isSingle?: boolean
}

interface FailedBatch {
  readonly calls: number
  readonly error: RpcError
}

export interface BatchRun {
  /** Sends the calls; each has its result or its error when this resolves, most of them sooner. */
  run(calls: readonly PendingCall[]): Promise<void>
}

/**
 * Sends calls to a node in batches of the size that it takes. A batch that fails as a whole, for whatever reason, is sent
 * again in halves, the first half first, down to single calls; the size that works is remembered.
 */
export function createBatchRun({ node, calls: bound, size, onFailsAlone }: BatchRunOptions): BatchRun {
  /** Whether the node refuses a batch of this size whatever it asks. */
  async function isSizeRefused(calls: number): Promise<boolean> {
    for (let probe = 0; probe < PROBES; probe++) {
      try {
        await bound.sendProbe(calls)
        return false
      } catch (error) {
        if (!(error instanceof RpcError)) throw error
        if (NEVER_HALVED.has(error.code)) return false
      }
    }
    return true
  }

  async function causeOf({ calls, error }: FailedBatch): Promise<BatchFailure> {
    if (error.code === 'too-large' || isSizeRefusal(error)) return 'size'
    if (error.code === 'timeout') return 'timeout'
    return !size.isProven(calls) && (await isSizeRefused(calls)) ? 'size' : 'unknown'
  }

  /** Remembers what the smallest batch that failed says; one no larger than what was answered failed by chance. */
  async function learn(failed: readonly FailedBatch[], fits: number): Promise<void> {
    const [smallest] = failed
      .filter(({ calls }) => calls > fits)
      .sort((one, other) => one.calls - other.calls)
    if (smallest) size.failed(smallest.calls, await causeOf(smallest), fits)
  }

  async function run(all: readonly PendingCall[]): Promise<void> {
    const parts: Part[] = [{ calls: all }]
    const failed: FailedBatch[] = []
    /** The largest batch that was answered after one failed. */
    let fits: number | null = null
    let singleFailures = 0
    let someFailedAlone = false

    for (let part = parts.shift(); part; part = parts.shift()) {
      const { calls } = part
      const most = Math.min(size.current(), fits ?? size.current())
      if (part.isSingle || most < 2) {
        const group = calls.slice(0, MAX_SINGLE_CALLS)
        if (group.length < calls.length) parts.unshift({ ...part, calls: calls.slice(group.length) })
        const { identityError, failures } = await bound.sendSingly(group)
        const stop = [identityError, ...failures.map(({ error }) => error)].find(
          (error) => error && NEVER_HALVED.has(error.code),
        )
        if (stop) return leave(parts, stop, failed)
        singleFailures = identityError ? singleFailures + failures.length + 1 : 0
        if (identityError) {
          const isDown =
            identityError.code === 'rpc-error' || singleFailures >= SINGLE_FAILURES_OF_A_NODE_DOWN
          if (isDown) return leave(parts, identityError, [])
          continue
        }
        for (const { call } of failures) onFailsAlone(call)
        if (failures.length > 0) {
          someFailedAlone = true
          // It was that call, and not the size: what is left is tried together again.
          fits = null
        } else if (failed.length > 0) fits ??= 1
        else size.succeeded(1)
      } else if (calls.length + 1 > most) {
        parts.unshift({ calls: calls.slice(0, most - 1) }, { calls: calls.slice(most - 1) })
      } else {
        const outcome = await bound.sendBatch(calls)
        const again = outcome.kind === 'failed' ? calls : outcome.again
        if (outcome.kind === 'failed') {
          const { error } = outcome
          if (NEVER_HALVED.has(error.code)) {
            for (const call of calls) call.reject(error.ofCall(call.method))
            return leave(parts, error, failed)
          }
          failed.push({ calls: calls.length + 1, error })
        } else if (again.length > 0) {
          failed.push({ calls: calls.length + 1, error: refusedFor(calls.length + 1) })
        } else {
          size.succeeded(calls.length + 1)
          if (failed.length > 0) fits = Math.max(fits ?? 0, calls.length + 1)
        }
        parts.unshift(...halvesOf(again, calls.length === 1))
      }
    }
    if (fits !== null && !someFailedAlone) await learn(failed, fits)
  }

  /** The rest is not asked. */
  function leave(parts: readonly Part[], error: RpcError, failed: readonly FailedBatch[]): void {
    for (const call of parts.flatMap(({ calls }) => calls)) call.reject(error.ofCall(call.method))
    if (failed.length > 0) size.shrink(Math.min(...failed.map(({ calls }) => calls)))
  }

  function refusedFor(calls: number): RpcError {
    return new RpcError('too-large', { node, method: BATCH }, `it did not answer all of ${calls} calls`)
  }

  return { run }
}

function halvesOf(calls: readonly PendingCall[], wasAlone: boolean): Part[] {
  if (calls.length === 0) return []
  if (calls.length === 1) return [{ calls, isSingle: wasAlone }]
  const middle = Math.ceil(calls.length / 2)
  return [{ calls: calls.slice(0, middle) }, { calls: calls.slice(middle) }]
}
