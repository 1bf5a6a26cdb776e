import { withChannel } from '../support/channel.ts'
import type { Condition } from './drill.ts'
import { readEventIds } from './feed-reader.ts'
import type { Parts } from './parts.ts'
import { pollUntil } from './poll.ts'
import { NAMES } from './queues.ts'

/** A queue of a consumer that gets every event. */
export interface Announcements {
  /** Waits until every event was announced; resolves with what must hold. */
  judge(): Promise<Condition>
}

const QUEUE = 'drill.events'
const END_LIMIT_MS = 60_000

export async function hearAnnouncements({
  rabbitmq,
  db,
}: Pick<Parts, 'rabbitmq' | 'db'>): Promise<Announcements> {
  await withChannel(rabbitmq.url, async (channel) => {
    await channel.assertExchange(NAMES.eventsExchange, 'topic', { durable: true })
    await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await channel.bindQueue(QUEUE, NAMES.eventsExchange, '#')
  })
  const heard = new Map<string, number>()

  const hear = () =>
    withChannel(rabbitmq.url, async (channel) => {
      const take = () => channel.get(QUEUE, { noAck: true })
      for (let message = await take(); message; message = await take()) {
        const { id } = JSON.parse(message.content.toString()) as { id: string }
        heard.set(id, (heard.get(id) ?? 0) + 1)
      }
    })

  return {
    judge: async () => {
      let missing = Number.NaN
      await pollUntil(
        async () => {
          await hear()
          missing = (await readEventIds(db)).filter((id) => !heard.has(id)).length
          return missing === 0
        },
        { timeoutMs: END_LIMIT_MS, intervalMs: 500 },
      )
      const again = [...heard.values()].filter((times) => times > 1).length
      return {
        text: `every event was announced (${heard.size}; ${missing} were not, ${again} more than once)`,
        passed: missing === 0,
      }
    },
  }
}
