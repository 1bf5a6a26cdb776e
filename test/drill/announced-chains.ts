import type { Knex } from 'knex'
import type { Condition, DrillContext } from './drill.ts'
import { type AnnouncedEvent, listenToExchange } from './exchange-listener.ts'
import { pollUntil } from './poll.ts'

/** Hears what the exchanges of several prefixes announce, and compares it with the outbox. */
export interface AnnouncementWatch {
  /**
   * Waits until every event that there is was announced.
   * @param allowed the chains whose events may be announced under each prefix
   */
  judge(allowed: ReadonlyMap<string, readonly string[]>): Promise<Condition[]>
}

const ANNOUNCED_LIMIT_MS = 60_000

export async function watchAnnouncements(
  { lifecycle }: Pick<DrillContext, 'lifecycle'>,
  { db, brokerUrl, prefixes }: { db: Knex; brokerUrl: string; prefixes: readonly string[] },
): Promise<AnnouncementWatch> {
  const heardUnder = new Map<string, readonly AnnouncedEvent[]>()
  for (const prefix of prefixes) {
    heardUnder.set(prefix, await listenToExchange(lifecycle, brokerUrl, prefix))
  }

  async function countUnheard(): Promise<number> {
    const heard = new Set([...heardUnder.values()].flatMap((events) => events.map(({ id }) => id)))
    const ids: string[] = await db('confirmd.outbox').pluck('id')
    return ids.filter((id) => !heard.has(id)).length
  }

  /** How many were not announced when the time was over. */
  async function untilAllHeard(): Promise<number> {
    let unheard = Number.NaN
    await pollUntil(
      async () => {
        unheard = await countUnheard()
        return unheard === 0
      },
      { timeoutMs: ANNOUNCED_LIMIT_MS, intervalMs: 250 },
    )
    return unheard
  }

  return {
    judge: async (allowed) => {
      const unheard = await untilAllHeard()
      const rows: { id: string; chain: string }[] = await db('confirmd.outbox').select('id', 'chain')
      const chainOf = new Map(rows.map(({ id, chain }) => [id, chain]))
      return [
        {
          text: `each of ${rows.length} events was announced (${unheard} were not)`,
          passed: unheard === 0,
        },
        ...[...heardUnder].map(([prefix, events]): Condition => {
          const chains = allowed.get(prefix) ?? []
          const strange = events.filter(
            ({ id, chain }) => !chains.includes(chain) || chainOf.get(id) !== chain,
          )
          return {
            text: `under ${prefix} events of ${chains.join(' and ')} were announced (${events.length}), and no others (${strange.length})`,
            passed: events.length > 0 && strange.length === 0,
          }
        }),
      ]
    },
  }
}
