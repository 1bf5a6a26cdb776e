import { LOOKS_KEPT } from '../domain/look.ts'
import type { TransactionDetail } from '../domain/transaction-view.ts'
import type { ShownStatus } from './answers.ts'
import { duration } from './duration.ts'
import { STATUS_WORDS } from './status-words.ts'
import { Time } from './time.tsx'

interface Point {
  readonly label: string
  readonly at: string
  readonly colour: string
  readonly isToCome?: boolean
}

/** Its times in their order, from recorded to settled, with what lies between them. */
export function Timeline({
  transaction,
  status,
}: {
  readonly transaction: TransactionDetail
  readonly status: ShownStatus
}) {
  const points = pointsOf(transaction, status)
  return (
    <section class="panel" aria-labelledby="times">
      <h2 id="times">Times</h2>
      <ol class="timeline">
        {points.map(({ label, at, colour, isToCome }, index) => {
          const before = points[index - 1]
          return (
            <li key={label} class={`${colour} ${isToCome ? 'to-come' : ''}`}>
              <span class="label">{label}</span>
              <Time at={at} />
              <span class="hint">
                {before ? `after ${duration(Date.parse(at) - Date.parse(before.at))}` : ''}
              </span>
            </li>
          )
        })}
      </ol>
    </section>
  )
}

function pointsOf(transaction: TransactionDetail, status: ShownStatus): Point[] {
  const { createdAt, looks, parkedAt, stalledAt, settledAt, lastCheckedAt, nextCheckAt } = transaction
  // Once as many are there as are kept, the first one is not among them any more.
  const first = looks.length < LOOKS_KEPT ? looks[0]?.at : undefined
  const inBlock = looks.find(({ saw }) => saw === 'receipt-not-final' || saw === 'receipt')?.at
  const isTold = [settledAt, parkedAt, stalledAt, first].some(
    (at) => typeof at === 'string' && at >= (lastCheckedAt ?? ''),
  )
  const last = isTold ? null : lastCheckedAt
  const given: (Omit<Point, 'at'> & { readonly at: string | null | undefined })[] = [
    { label: 'Recorded', at: createdAt, colour: 'of-pending' },
    { label: 'First look', at: first, colour: 'of-pending' },
    { label: 'First seen in a block', at: inBlock === first ? undefined : inBlock, colour: 'of-pending' },
    { label: 'Stalled', at: stalledAt, colour: 'of-stalled' },
    { label: 'Parked', at: parkedAt, colour: 'of-parked' },
    { label: 'Last look', at: last, colour: 'of-pending' },
    { label: STATUS_WORDS[status].label, at: settledAt, colour: `of-${status}` },
  ]
  const points = given
    .filter((point): point is Point => typeof point.at === 'string')
    .toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at))
  const isLookedAt = nextCheckAt !== null && status !== 'parked'
  return isLookedAt
    ? [...points, { label: 'Next look', at: nextCheckAt, colour: 'of-pending', isToCome: true }]
    : points
}
