import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { ANNOUNCED_STATUSES, type CloudEvent, CloudEventSchema } from '../domain/event.ts'
import { Kind } from '../domain/registration.ts'
import type { TypedApp } from './app.ts'
import { goneSignal } from './gone.ts'
import { ProblemError } from './problem.ts'
import { Limit, problemAnswers, Wait } from './schemas.ts'

interface Page {
  readonly events: readonly CloudEvent[]
  readonly next: number
}

interface Query {
  readonly after: number
  readonly limit: number
  readonly kind?: string | undefined
  readonly status?: string | undefined
  readonly skipPruned?: boolean | undefined
}

export interface EventDependencies {
  readonly feed: {
    read(query: Query, waitMs: number, signal: AbortSignal): Promise<Page>
    newest(): Promise<number>
  }
  /** Whether the process is about to end: streams end then, and their readers go on elsewhere. */
  readonly isStopping: () => boolean
}

const NEWEST = 'newest'
/** Below the idle limit of the usual load balancers. */
const HEARTBEAT_MS = 15_000
/** A reader comes back that soon after its stream has ended. */
const RECONNECT_MS = 1_000
const STREAM_PAGE_SIZE = 100

const After = {
  type: 'string',
  pattern: `^(0*[0-9]{1,16}|${NEWEST})$`,
  maxLength: 20,
  description: `the next of an earlier page or the sequence of an event, 0 for the oldest event that is kept, or ${NEWEST} for those to come`,
} as const

const Filter = {
  kind: Kind,
  status: {
    type: 'string',
    enum: ANNOUNCED_STATUSES,
    description: `one of ${ANNOUNCED_STATUSES.join(', ')}`,
  },
  skipPruned: {
    type: 'boolean',
    description: 'true to go on where events were pruned, with those that are left, instead of 410',
  },
} as const

const FeedQuery = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...Filter,
    after: { ...After, default: '0' },
    limit: { ...Limit, default: 100 },
    wait: Wait,
  },
} as const

const StreamQuery = {
  type: 'object',
  additionalProperties: false,
  properties: { ...Filter, after: { ...After, default: NEWEST } },
} as const

const EventPage = {
  type: 'object',
  required: ['events', 'next'],
  properties: {
    events: { type: 'array', items: { ...CloudEventSchema, additionalProperties: true } },
    next: { type: 'string', description: 'the after of the next request' },
  },
} as const

const TAGS = ['events']

/** Outcomes in order, for readers who come to ask. */
export function addEventRoutes(app: TypedApp, { feed, isStopping }: EventDependencies): void {
  async function start(after: string): Promise<number> {
    return after === NEWEST ? feed.newest() : Number(after)
  }

  app.get(
    '/v1/events',
    {
      schema: {
        tags: TAGS,
        summary: 'Outcomes in the order in which they were committed',
        description:
          'Whoever goes on from `next` misses nothing and sees no gap. With `wait` an empty page is answered only after that time, and an event as soon as there is one. With a filter an empty page may come before the end: go on from its `next` all the same. 410: some events after `after` were pruned.',
        querystring: FeedQuery,
        response: { 200: EventPage, ...problemAnswers(400, 410) },
      },
      // A schema would be asked again for each field of each event.
      serializerCompiler: () => JSON.stringify,
    },
    async (request, reply) => {
      const { after, limit, kind, status, skipPruned, wait } = request.query
      const query = { after: await start(after), limit, kind, status, skipPruned }
      const page = await read(feed, query, wait * 1_000, goneSignal(reply))
      return { events: [...page.events] as never, next: String(page.next) }
    },
  )

  app.get(
    '/v1/events/stream',
    {
      schema: {
        tags: TAGS,
        summary: 'The same as server-sent events',
        description:
          'The id of each is what `Last-Event-ID` (or `after`) goes on from, as EventSource does by itself.',
        querystring: StreamQuery,
        response: {
          200: { description: 'text/event-stream; data is an event', type: 'string' },
          ...problemAnswers(400, 410),
        },
      },
      serializerCompiler: () => String,
    },
    async (request, reply) => {
      const { after, kind, status, skipPruned } = request.query
      const signal = goneSignal(reply)
      const query = {
        after: await start(lastEventId(request.headers['last-event-id']) ?? after),
        limit: STREAM_PAGE_SIZE,
        kind,
        status,
        skipPruned,
      }
      // Before the headers are out, so that what is wrong can be said.
      const first = await read(feed, query, 0, signal)
      return sendStream(reply, framesOf(first, query, signal))
    },
  )

  async function* framesOf(first: Page, query: Query, signal: AbortSignal): AsyncGenerator<string> {
    yield `retry: ${RECONNECT_MS}\n\n`
    let page = first
    for (;;) {
      yield page.events.map(frameOf).join('') + idle(page.next)
      if (signal.aborted || isStopping()) return
      page = await feed.read({ ...query, after: page.next }, HEARTBEAT_MS, signal)
    }
  }
}

/** Fastify reads it only as fast as the reader does, and destroys it when the reader goes away. */
function sendStream(reply: FastifyReply, frames: AsyncGenerator<string>): FastifyReply {
  return (
    reply
      .type('text/event-stream; charset=utf-8')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      // A stream ends with its server.
      .header('connection', 'close')
      .send(Readable.from(frames, { objectMode: false, highWaterMark: 64 * 1_024 }))
  )
}

function frameOf(event: CloudEvent): string {
  return `id: ${Number(event.sequence)}\ndata: ${JSON.stringify(event)}\n\n`
}

/** An id without data is remembered by the reader and shown to nobody. */
function idle(next: number): string {
  return `: alive\nid: ${next}\n\n`
}

function lastEventId(header: string | string[] | undefined): string | null {
  if (header === undefined || header === '') return null
  if (typeof header === 'string' && /^[0-9]{1,16}$/.test(header)) return header
  const message = 'must be the id of an event of this stream'
  throw new ProblemError(400, `Last-Event-ID ${message}`, [{ field: 'Last-Event-ID', message }])
}

async function read(
  feed: EventDependencies['feed'],
  query: Query,
  waitMs: number,
  signal: AbortSignal,
): Promise<Page> {
  try {
    return await feed.read(query, waitMs, signal)
  } catch (error) {
    if (error instanceof Error && error.name === 'EventsPrunedError')
      throw new ProblemError(410, error.message, [{ field: 'after', message: 'pruned' }])
    if (error instanceof Error && error.name === 'CursorAheadError')
      throw new ProblemError(410, error.message, [{ field: 'after', message: 'cursor-ahead' }])
    throw error
  }
}
