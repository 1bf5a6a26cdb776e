import type { Knex } from 'knex'
import type { Condition } from './drill.ts'
import type { NamedChain } from './second-chain.ts'

/** An event of the feed, as far as it is judged. */
interface FedEvent {
  readonly id: string
  readonly sequence: string
  readonly source: string
  readonly data: { readonly chain: string }
}

/** As many as the API allows. */
const PAGE_SIZE = 200

/** Whether every verdict was read from a block of its own chain. */
export async function judgeBlocks(db: Knex, chains: readonly NamedChain[]): Promise<Condition> {
  const rows: { chain: string; block_hash: string }[] = await db('confirmd.transaction_history')
    .whereNotNull('block_hash')
    .select('chain', 'block_hash')
  const marks = new Map(chains.map(({ name, mark }) => [name, `0x${mark}`]))
  const strange = rows.filter(
    ({ chain, block_hash: hash }) => !hash.startsWith(marks.get(chain) ?? 'no chain'),
  )
  return {
    text: `each of ${rows.length} verdicts names a block of its own chain (${strange.length} do not)`,
    passed: rows.length > 0 && strange.length === 0,
  }
}

/** Whether every event says of which chain its transaction is. */
export async function judgeEvents(db: Knex): Promise<Condition> {
  const { rows } = await db.raw<{ rows: { events: number; strange: number }[] }>(`
    SELECT count(*)::int AS events,
           count(*) FILTER (WHERE o.chain <> t.chain OR o.data ->> 'chain' <> t.chain
                               OR o.data ->> 'txHash' <> t.tx_hash OR o.kind <> t.kind)::int AS strange
      FROM confirmd.outbox o
      JOIN confirmd.transaction_history t ON t.id = o.transaction_id`)
  const { events = 0, strange = 0 } = rows[0] ?? {}
  return {
    text: `each of ${events} events is of the chain of its transaction (${strange} are not)`,
    passed: events > 0 && strange === 0,
  }
}

/** Whether the API of a chain tells all events of it once, in order, and none of another chain. */
export async function judgeFeed(
  db: Knex,
  { name }: Pick<NamedChain, 'name'>,
  apiUrl: string,
): Promise<Condition> {
  const ids: string[] = await db('confirmd.outbox').where({ chain: name }).orderBy('sequence').pluck('id')
  const events = await readFeed(apiUrl)
  const strange = events.filter(
    ({ source, data }) => source !== `urn:confirmd:${name}` || data.chain !== name,
  )
  const isInOrder = events.map(({ id }) => id).join() === ids.join()
  return {
    text: `the feed of ${name} tells its ${ids.length} events once and in order (${events.length} told, ${strange.length} of another chain)`,
    passed: ids.length > 0 && isInOrder && strange.length === 0,
  }
}

async function readFeed(apiUrl: string): Promise<FedEvent[]> {
  const events: FedEvent[] = []
  for (let after = '0'; ; ) {
    const answer = await fetch(`${apiUrl}/v1/events?after=${after}&limit=${PAGE_SIZE}`)
    if (!answer.ok) throw new Error(`the API answered ${answer.status}: ${await answer.text()}`)
    const page = (await answer.json()) as { events: FedEvent[]; next: string }
    if (page.events.length === 0) return events
    events.push(...page.events)
    after = page.next
  }
}
