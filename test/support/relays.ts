import type { Knex } from 'knex'
import pino from 'pino'
import { openRabbit } from '../../src/broker/rabbit.ts'
import type { NewEvent } from '../../src/domain/event.ts'
import { withBoundedEvents } from '../../src/flows/event-size.ts'
import { createRelay } from '../../src/flows/relay.ts'
import { openDatabase } from '../../src/store/database.ts'
import { provideAnnounced } from '../../src/store/event-cursors.ts'
import { insertEvents } from '../../src/store/outbox.ts'
import { createStore } from '../../src/store/store.ts'
import { amqpUrl } from './broker.ts'
import { TEST_DELAYS_MS, type World } from './confirmd.ts'
import { randomHash } from './scripted-node.ts'

/** Writes outcomes as the settle does, each in a transaction of its own, by so many writers; returns how many. */
export async function insertOutcomes(
  db: Knex,
  transactions: readonly { readonly statuses: readonly string[]; readonly kind?: string }[],
  writers = 1,
): Promise<number> {
  const waiting = [...transactions]
  let count = 0
  async function write(): Promise<void> {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const txHash = randomHash()
      const id = `${txHash.slice(2, 10)}-${txHash.slice(10, 14)}-7${txHash.slice(14, 17)}-8${txHash.slice(17, 20)}-${txHash.slice(20, 32)}`
      for (const status of next.statuses) {
        const kind = next.kind ?? 'order'
        const data = { id, txHash, chain: 'kaia', kind, status } as unknown as NewEvent['data']
        await db.transaction(async (trx) => {
          await insertEvents(trx, [
            { subject: 'transaction', transactionId: id, chain: 'kaia', status, kind, data } as NewEvent,
          ])
        })
        count += 1
      }
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  return count
}

export interface TestRelay {
  /** The server ends its connections to the database, in the middle of whatever they do. */
  loseConnections(): Promise<void>
  stop(): Promise<void>
}

/** Relays as worker processes have them, each with connections of its own. */
export async function startRelays(
  world: World,
  count: number,
  options: { amqpUrl?: string } = {},
): Promise<TestRelay[]> {
  const log = pino({ level: 'silent' })
  await provideAnnounced(world.db, { prefix: world.prefix, chain: 'kaia' })
  return Promise.all(
    Array.from({ length: count }, async (_, index): Promise<TestRelay> => {
      const applicationName = `relay ${index}`
      const db = openDatabase({ url: world.database.url, poolMax: 3, applicationName })
      const { queue, exchange } = openRabbit({
        urls: [options.amqpUrl ?? amqpUrl()],
        prefix: world.prefix,
        chain: 'kaia',
        retryDelaysMs: TEST_DELAYS_MS,
        prefetch: 1,
        checkHealth: async () => undefined,
        log,
        onFatal: () => undefined,
      })
      const observer = { announced: () => undefined }
      const relay = createRelay({
        chain: 'kaia',
        prefix: world.prefix,
        store: createStore(db, { chain: 'kaia' }),
        exchange: withBoundedEvents(exchange, log),
        observer,
        onDeliveries: () => undefined,
        log,
      })
      return {
        loseConnections: async () => {
          await world.db.raw(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ? AND datname = current_database()',
            [applicationName],
          )
        },
        stop: async () => {
          await relay.stop()
          await queue.close()
          await db.destroy()
        },
      }
    }),
  )
}
