import { useRef } from 'preact/hooks'
import { DELIVERY_STATUSES, type DeliveryStatus } from '../domain/webhook.ts'
import { ActionButton } from './action-button.tsx'
import type { DeliveryPage, DeliveryView, WebhookView } from './answers.ts'
import { DataTable } from './data-table.tsx'
import { DELIVERY_WORDS, DeliveryBadge } from './delivery-badge.tsx'
import { ProblemNote } from './problem-note.tsx'
import { ReplayButton } from './replay-button.tsx'
import { useResource } from './resource.ts'
import { goTo, linkTo } from './route.ts'
import { useServer } from './server.ts'
import { Ago, Time } from './time.tsx'
import { WebhookState } from './webhook-state.tsx'

const POLL_MS = 5_000
const PAGE_SIZE = '50'
const DAY_MS = 24 * 3_600_000

export function WebhookPage({ id, query }: { readonly id: string; readonly query: URLSearchParams }) {
  const path = `v1/webhooks/${encodeURIComponent(id)}`
  const { data, problem, reload } = useResource<WebhookView>(path, { concerns: () => true, pollMs: POLL_MS })
  return (
    <>
      <p class="crumb">
        <a href={linkTo(['webhooks'])}>Webhooks</a>
      </p>
      <h1 tabIndex={-1}>Webhook</h1>
      {problem && <ProblemNote problem={problem} />}
      {!data && !problem && <p class="hint">Asking confirmd…</p>}
      {data && (
        <>
          <p class="hash">
            <code>{data.url}</code>
          </p>
          <Actions webhook={data} path={path} onChanged={reload} />
          <Deliveries id={id} path={path} query={query} />
        </>
      )}
    </>
  )
}

interface ActionsProps {
  readonly webhook: WebhookView
  readonly path: string
  readonly onChanged: () => void
}

function Actions({ webhook, path, onChanged }: ActionsProps) {
  const { api } = useServer()
  const since = useRef<HTMLInputElement>(null)

  async function turn(enabled: boolean): Promise<string> {
    await api.patch(path, { enabled })
    onChanged()
    return enabled ? 'It is on; what waits is sent.' : 'It is off; nothing is sent.'
  }
  async function sendTest(): Promise<string> {
    await api.post(`${path}/test`)
    onChanged()
    return 'A test is on its way.'
  }
  async function replayAll(): Promise<string> {
    const from = new Date(since.current?.value ?? '')
    if (Number.isNaN(from.getTime())) throw new Error('Say since when.')
    const { replayed } = await api.post<{ replayed: number }>(`${path}/replay`, { from: from.toISOString() })
    onChanged()
    return replayed === 1 ? '1 delivery is on its way.' : `${replayed} deliveries are on their way.`
  }

  const { description, kinds, statuses, createdAt, enabled } = webhook
  return (
    <div class="pair">
      <section class="panel">
        <h2>What it is sent</h2>
        <dl class="facts">
          <dt>State</dt>
          <dd>
            <WebhookState webhook={webhook} />
          </dd>
          <dt>Kinds</dt>
          <dd>{kinds?.join(', ') ?? 'all'}</dd>
          <dt>Statuses</dt>
          <dd>{statuses?.join(', ') ?? 'all'}</dd>
          <dt>For</dt>
          <dd>{description || '–'}</dd>
          <dt>Made</dt>
          <dd>
            <Time at={createdAt} />
          </dd>
        </dl>
      </section>
      <section class="panel">
        <h2>What you can do</h2>
        <div class="actions">
          <ActionButton label="Send a test" act={sendTest} />
          <ActionButton
            key={String(enabled)}
            label={enabled ? 'Switch off' : 'Switch on'}
            act={() => turn(!enabled)}
            isMain={!enabled}
          />
          <div class="field">
            <label for="since">Send again what was not delivered since</label>
            <input
              ref={since}
              id="since"
              type="datetime-local"
              defaultValue={localTime(Date.now() - DAY_MS)}
            />
          </div>
          <ActionButton label="Send all again" act={replayAll} />
        </div>
      </section>
    </div>
  )
}

interface DeliveriesProps {
  readonly id: string
  readonly path: string
  readonly query: URLSearchParams
}

function Deliveries({ id, path, query }: DeliveriesProps) {
  const status = query.get('status')
  const cursor = query.get('cursor')
  const asked = new URLSearchParams({ limit: PAGE_SIZE })
  if (status) asked.set('status', status)
  if (cursor) asked.set('cursor', cursor)
  const { data, problem, reload } = useResource<DeliveryPage>(`${path}/deliveries?${asked}`, {
    concerns: () => true,
    pollMs: POLL_MS,
  })
  const link = (given: { readonly status?: string | null; readonly cursor?: string | null }) =>
    linkTo(['webhooks', id], given)
  return (
    <section class="panel">
      <h2>Deliveries</h2>
      <div class="field narrow">
        <label for="delivery-status">State</label>
        <select id="delivery-status" onChange={(event) => goTo(link({ status: event.currentTarget.value }))}>
          <option value="" selected={!status}>
            All
          </option>
          {DELIVERY_STATUSES.map((each: DeliveryStatus) => (
            <option key={each} value={each} selected={each === status}>
              {DELIVERY_WORDS[each].label}
            </option>
          ))}
        </select>
      </div>
      {problem && <ProblemNote problem={problem} />}
      {!data && !problem && <p class="hint">Asking confirmd…</p>}
      {data && (
        <DataTable
          caption="Deliveries, the newest first"
          isCaptionHidden
          rows={data.deliveries}
          keyOf={(delivery) => delivery.id}
          empty="There is none like that."
          columns={[
            { header: 'Event', cell: eventOf },
            { header: 'State', cell: (delivery) => <DeliveryBadge status={delivery.status} /> },
            { header: 'Made', cell: ({ createdAt }) => <Time at={createdAt} /> },
            { header: 'Tries', isNumber: true, cell: ({ attempts }) => attempts.length },
            { header: 'Last answer', cell: lastAnswer },
            {
              header: 'Next try',
              cell: ({ nextAttemptAt }) => (nextAttemptAt ? <Ago at={nextAttemptAt} /> : null),
            },
            { header: 'Again', cell: (delivery) => <ReplayButton delivery={delivery} onReplayed={reload} /> },
          ]}
        />
      )}
      {(cursor || data?.nextCursor) && (
        <nav class="pager" aria-label="Pages of the deliveries">
          {cursor && <a href={link({ status })}>Newest</a>}
          {data?.nextCursor && <a href={link({ status, cursor: data.nextCursor })}>Older</a>}
        </nav>
      )}
    </section>
  )
}

function eventOf({ eventType, transactionId }: DeliveryView) {
  const name = eventType.replace(/^confirmd\./, '').replace(/\.v1$/, '')
  return transactionId === null ? name : <a href={linkTo(['transactions', transactionId])}>{name}</a>
}

function lastAnswer({ attempts }: DeliveryView) {
  const last = attempts.at(-1)
  if (!last) return 'not tried yet'
  const { attemptedAt, statusCode, error, durationMs } = last
  return (
    <>
      {[statusCode, error].filter((each) => each !== null).join(': ') || '–'}{' '}
      <span class="hint">
        <Time at={attemptedAt} />, {durationMs} ms
      </span>
    </>
  )
}

/** As `datetime-local` has it: in the viewer's zone, without a zone. */
function localTime(ms: number): string {
  const offsetMs = new Date(ms).getTimezoneOffset() * 60_000
  return new Date(ms - offsetMs).toISOString().slice(0, 16)
}
