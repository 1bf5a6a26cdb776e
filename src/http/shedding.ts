import { totalmem } from 'node:os'
import { constrainedMemory } from 'node:process'
import { getHeapStatistics } from 'node:v8'
import underPressure from '@fastify/under-pressure'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ProblemError } from './problem.ts'

export interface SheddingOptions {
  readonly maxRequestsInFlight: number
  readonly maxEventLoopDelayMs: number
  /** Null: a share of what the container or the machine has. */
  readonly maxMemoryMb: number | null
  readonly onShed: () => void
}

/** Long, so that a single pause (a collection of garbage, a start) is outweighed: only lasting delay sheds. */
const SAMPLE_INTERVAL_MS = 2_000
const MEMORY_SHARE = 0.9
const BYTES_PER_MB = 1024 * 1024
const RETRY_AFTER_S = '1'

/**
 * Answers 503 on the routes of this scope, to be added after it, before the memory or the patience of the callers
 * ends: a request that would only wait for a database connection is better off elsewhere, or later.
 */
export async function addShedding(scope: FastifyInstance, options: SheddingOptions): Promise<void> {
  const { maxRequestsInFlight, maxEventLoopDelayMs, maxMemoryMb, onShed } = options

  function overloaded(reason: string): ProblemError {
    onShed()
    const detail = `too busy (${reason}); nothing was done, try again`
    return new ProblemError(503, detail, [], { 'retry-after': RETRY_AFTER_S })
  }

  await scope.register(underPressure, {
    sampleInterval: SAMPLE_INTERVAL_MS,
    maxEventLoopDelay: maxEventLoopDelayMs,
    maxHeapUsedBytes: MEMORY_SHARE * getHeapStatistics().heap_size_limit,
    maxRssBytes: maxMemoryMb === null ? MEMORY_SHARE * memoryBytes() : maxMemoryMb * BYTES_PER_MB,
    pressureHandler: async (_request, _reply, type) => {
      throw overloaded(type)
    },
  })

  let inFlight = 0
  const work = new WeakMap<FastifyRequest, Promise<unknown>>()
  scope.addHook('onRoute', (route) => {
    const { handler } = route
    route.handler = function run(request, reply) {
      const result: unknown = handler.call(this, request, reply)
      if (result instanceof Promise) work.set(request, result)
      return result
    }
  })
  // Counted from the headers on, before the body is read: bodies take memory too. And until the work ends,
  // not only the answer: the query of a caller who went away still holds its connection.
  scope.addHook('onRequest', async (request, reply) => {
    if (inFlight >= maxRequestsInFlight) throw overloaded(`${maxRequestsInFlight} requests in flight`)
    inFlight += 1
    void answered(reply)
      .then(() => work.get(request))
      .catch(() => undefined)
      .then(() => {
        inFlight -= 1
      })
  })
}

/**
 * Resolves when the answer is out or can't be any more. Both events are needed: of an answer that waits behind
 * another one of the same connection, Node tells nothing when the connection ends.
 */
function answered(reply: FastifyReply): Promise<void> {
  const { raw } = reply
  const { socket } = reply.request.raw
  return new Promise((resolve) => {
    const end = () => {
      raw.off('close', end)
      socket.off('close', end)
      resolve()
    }
    if (socket.destroyed) {
      resolve()
      return
    }
    // A client that pipelines has many requests on one socket; that is no leak of listeners.
    socket.setMaxListeners(0)
    raw.once('close', end)
    socket.once('close', end)
  })
}

function memoryBytes(): number {
  // Without a limit the container's is reported as 0, or as a number beyond any memory.
  const limit = constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
