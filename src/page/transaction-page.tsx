import { useEffect, useRef, useState } from 'preact/hooks'
import { isOpen } from '../domain/transaction.ts'
import type { TransactionDetail } from '../domain/transaction-view.ts'
import { ActionButton } from './action-button.tsx'
import { wholeNumber } from './amount.ts'
import { type ShownStatus, shownStatus } from './answers.ts'
import { DiagnosisPanel } from './diagnosis-panel.tsx'
import { EventsPanel } from './events-panel.tsx'
import { FailurePanel } from './failure-panel.tsx'
import { Copyable } from './hash.tsx'
import { LooksPanel } from './looks-panel.tsx'
import { ProblemNote } from './problem-note.tsx'
import { ReceiptPanel } from './receipt-panel.tsx'
import { useResource } from './resource.ts'
import { linkTo } from './route.ts'
import { type Concerns, useServer } from './server.ts'
import { StatusBadge } from './status-badge.tsx'
import { STATUS_WORDS } from './status-words.ts'
import { Time } from './time.tsx'
import { Timeline } from './timeline.tsx'

/** Looks make no event. */
const POLL_MS = 3_000
const NOT_FOUND = 404

export function TransactionPage({ id }: { readonly id: string }) {
  const concerns: Concerns = ({ data }) => data.id === id
  const [isFinal, setIsFinal] = useState(false)
  const { data, problem, reload } = useResource<TransactionDetail>(
    `v1/transactions/${encodeURIComponent(id)}`,
    {
      concerns,
      pollMs: isFinal ? 0 : POLL_MS,
    },
  )
  const status = data && shownStatus(data)
  useEffect(() => setIsFinal(data !== null && !isOpen(data.status)), [data])
  return (
    <>
      <p class="crumb">
        <a href={linkTo(['transactions'])}>Transactions</a>
      </p>
      <h1 tabIndex={-1}>Transaction</h1>
      {problem && (
        <ProblemNote problem={problem} {...(problem.status === NOT_FOUND ? {} : { retry: reload })} />
      )}
      {!data && !problem && <p class="hint">Asking confirmd…</p>}
      {data && status && (
        <>
          <p class="hash">
            <Copyable text={data.txHash} what="the hash" />
          </p>
          <Verdict transaction={data} status={status} onRechecked={reload} />
          <Timeline transaction={data} status={status} />
          {data.failure && <FailurePanel failure={data.failure} />}
          {isOpen(data.status) && (
            <DiagnosisPanel id={id} status={status} stamp={`${status} ${data.retryCount}`} />
          )}
          <div class="pair">
            <Facts transaction={data} />
            <BusinessWrite transaction={data} status={status} />
          </div>
          {data.receipt && <ReceiptPanel receipt={data.receipt} chain={data.chain} />}
          <LooksPanel looks={data.looks} />
          <EventsPanel id={id} concerns={concerns} />
        </>
      )}
    </>
  )
}

interface VerdictProps {
  readonly transaction: TransactionDetail
  readonly status: ShownStatus
  readonly onRechecked: () => void
}

function Verdict({ transaction, status, onRechecked }: VerdictProps) {
  const { api } = useServer()
  const { label, meaning, advice } = STATUS_WORDS[status]
  const changed = useChange(label)
  async function recheck(): Promise<string> {
    await api.post(`v1/transactions/${transaction.id}/recheck`)
    onRechecked()
    return 'The looks begin anew.'
  }
  return (
    <section class={`verdict panel of-${status}`} aria-label="Status">
      <p class="status">
        <StatusBadge status={status} />
      </p>
      <p>
        {meaning} <span class="advice">{advice}</span>
      </p>
      {isOpen(transaction.status) && (
        <ActionButton label="Check again" act={recheck} isMain={status !== 'pending'} />
      )}
      <p role="status" class="unseen">
        {changed && `It is now ${changed.toLowerCase()}.`}
      </p>
    </section>
  )
}

/** What it became, since it was first shown; null until it changes. */
function useChange(value: string): string | null {
  const first = useRef(value)
  const [changed, setChanged] = useState<string | null>(null)
  useEffect(() => {
    if (value !== first.current) setChanged(value)
    first.current = value
  }, [value])
  return changed
}

function Facts({ transaction }: { readonly transaction: TransactionDetail }) {
  const { id, kind, chain, from, nonce, correlationId, payload, retryCount, lastCheckedAt, lastError } =
    transaction
  return (
    <section class="panel">
      <h2>What was registered</h2>
      <dl class="facts">
        <dt>Kind</dt>
        <dd>
          <a href={linkTo(['transactions'], { kind })}>{kind}</a>
        </dd>
        <dt>Chain</dt>
        <dd>{chain}</dd>
        <dt>Id</dt>
        <dd>
          <Copyable text={id} what="the id" />
        </dd>
        <dt>Sender</dt>
        <dd>{from ? <code>{from}</code> : 'not known'}</dd>
        <dt>Nonce</dt>
        <dd>{nonce ?? 'not known'}</dd>
        {correlationId && (
          <>
            <dt>Request id</dt>
            <dd>
              <code>{correlationId}</code>
            </dd>
          </>
        )}
        <dt>Looks without a receipt</dt>
        <dd>{wholeNumber(retryCount)}</dd>
        <dt>Last look</dt>
        <dd>{lastCheckedAt ? <Time at={lastCheckedAt} /> : 'none yet'}</dd>
        {lastError && (
          <>
            <dt>Last error</dt>
            <dd class="said problem">{lastError}</dd>
          </>
        )}
      </dl>
      <details>
        <summary>Payload</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: else the keyboard could not scroll it */}
        <pre tabIndex={0}>{JSON.stringify(payload, null, 2)}</pre>
      </details>
    </section>
  )
}

function BusinessWrite({ transaction, status }: Omit<VerdictProps, 'onRechecked'>) {
  const { kind, handlerAttempts, parkedAt, lastError, writeState } = transaction
  return (
    <section class="panel">
      <h2>Business write</h2>
      <p>{businessWriteText(status, kind, writeState)}</p>
      <dl class="facts">
        <dt>Failed attempts</dt>
        <dd>{handlerAttempts}</dd>
        {parkedAt && (
          <>
            <dt>Parked</dt>
            <dd>
              <Time at={parkedAt} />
            </dd>
          </>
        )}
        {handlerAttempts > 0 && lastError && (
          <>
            <dt>It said</dt>
            <dd class="said problem">{lastError}</dd>
          </>
        )}
      </dl>
    </section>
  )
}

function businessWriteText(
  status: ShownStatus,
  kind: string,
  writeState: TransactionDetail['writeState'],
): string {
  switch (status) {
    case 'confirmed':
    case 'failed':
      return settledWriteText(kind, writeState)
    case 'parked':
      return 'Not committed, and nothing of it is in the database: see the last error.'
    case 'pending':
    case 'stalled':
    case 'expired':
    case 'replaced':
      return 'None yet: it runs with the verdict, and only with a final receipt.'
  }
}

function settledWriteText(kind: string, writeState: TransactionDetail['writeState']): string {
  if (writeState === 'done') return 'Committed, in the same database transaction as the verdict.'
  if (writeState === null) return 'Not recorded: an older version settled it.'
  return `None was run: the kind “${kind}” had none for this verdict. If it should have had one, “confirmd write” runs it, once.`
}
