import type { TransactionEventView } from '../domain/transaction-event.ts'
import type { TransactionEvents } from './answers.ts'
import { DataTable } from './data-table.tsx'
import { DeliveryBadge } from './delivery-badge.tsx'
import { ProblemNote } from './problem-note.tsx'
import { ReplayButton } from './replay-button.tsx'
import { useResource } from './resource.ts'
import { linkTo } from './route.ts'
import type { Concerns } from './server.ts'
import { EventBadge } from './status-badge.tsx'
import { Ago, Time } from './time.tsx'

/** What is delivered or not makes no event. */
const POLL_MS = 5_000

interface Props {
  readonly id: string
  readonly concerns: Concerns
}

/** What was announced of the transaction, and to whom it went. */
export function EventsPanel({ id, concerns }: Props) {
  const { data, problem, reload } = useResource<TransactionEvents>(
    `v1/transactions/${encodeURIComponent(id)}/events`,
    { concerns, pollMs: POLL_MS },
  )
  return (
    <section class="panel">
      <h2>Events and deliveries</h2>
      {problem && !data && <ProblemNote problem={problem} retry={reload} />}
      {!data && !problem && <p class="hint">Asking confirmd…</p>}
      {data?.events.length === 0 && (
        <p class="empty">None yet: an outcome is announced once it is committed.</p>
      )}
      {data?.events.map((event) => (
        <EventBlock key={event.id} event={event} onReplayed={reload} />
      ))}
    </section>
  )
}

function EventBlock({
  event,
  onReplayed,
}: {
  readonly event: TransactionEventView
  readonly onReplayed: () => void
}) {
  const { status, at, sequence, announced, id, deliveries } = event
  return (
    <article class="event">
      <h3>
        <EventBadge status={status} /> <Time at={at} />
      </h3>
      <dl class="facts">
        <dt>In the feed</dt>
        <dd>{sequence === null ? 'not yet' : `number ${sequence}`}</dd>
        <dt>On the exchange</dt>
        <dd>{announced === null ? 'there is none' : announced ? 'announced' : 'not yet'}</dd>
        <dt>Event id</dt>
        <dd>
          <code>{id}</code>
        </dd>
      </dl>
      <DataTable
        caption="Deliveries to webhooks"
        rows={deliveries}
        keyOf={(delivery) => delivery.id}
        empty="To no webhook."
        columns={[
          {
            header: 'Webhook',
            cell: ({ webhookId, url }) => <a href={linkTo(['webhooks', webhookId])}>{url}</a>,
          },
          { header: 'State', cell: ({ status: state }) => <DeliveryBadge status={state} /> },
          { header: 'Tries', isNumber: true, cell: ({ attempts }) => attempts },
          { header: 'Last answer', cell: lastAnswer },
          {
            header: 'Next try',
            cell: ({ nextAttemptAt }) => (nextAttemptAt ? <Ago at={nextAttemptAt} /> : null),
          },
          {
            header: 'Again',
            cell: (delivery) => <ReplayButton delivery={delivery} onReplayed={onReplayed} />,
          },
        ]}
      />
    </article>
  )
}

function lastAnswer({
  attempts,
  lastStatusCode,
  lastError,
}: TransactionEventView['deliveries'][number]): string {
  if (attempts === 0) return 'not tried yet'
  return [lastStatusCode, lastError].filter((each) => each !== null).join(': ') || '–'
}
