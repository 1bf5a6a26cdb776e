import { useRef, useState } from 'preact/hooks'
import type { ShownStatus, TransactionPage } from './answers.ts'
import { shownStatus } from './answers.ts'
import { DataTable } from './data-table.tsx'
import { ShortHash } from './hash.tsx'
import { ProblemNote } from './problem-note.tsx'
import { useResource } from './resource.ts'
import { goTo, linkTo } from './route.ts'
import { StatusBadge } from './status-badge.tsx'
import { isShownStatus, SHOWN_STATUSES, STATUS_WORDS } from './status-words.ts'
import { Time } from './time.tsx'

const HASH = /^0x[0-9a-fA-F]{64}$/
const ID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/
const PAGE_SIZE = '50'
/** What is newly registered makes no event. */
const POLL_MS = 5_000

interface Filter {
  readonly status: ShownStatus | null
  readonly kind: string
  readonly hash: string
  readonly cursor: string
}

export function ListPage({ query }: { readonly query: URLSearchParams }) {
  const status = query.get('status')
  const filter: Filter = {
    status: isShownStatus(status) ? status : null,
    kind: query.get('kind') ?? '',
    hash: query.get('hash') ?? '',
    cursor: query.get('cursor') ?? '',
  }
  const { data, problem } = useResource<TransactionPage>(pathOf(filter), {
    concerns: () => true,
    pollMs: POLL_MS,
  })
  return (
    <>
      <h1 tabIndex={-1}>Transactions</h1>
      <FilterForm key={JSON.stringify({ ...filter, cursor: '' })} filter={filter} />
      {filter.status ? <Meaning status={filter.status} /> : <Meanings />}
      {problem && <ProblemNote problem={problem} />}
      {data && <Found page={data} filter={filter} />}
      {!data && !problem && <p class="hint">Asking confirmd…</p>}
    </>
  )
}

function pathOf({ status, kind, hash, cursor }: Filter): string {
  const query = new URLSearchParams({ limit: PAGE_SIZE })
  if (status === 'parked') query.set('parked', 'true')
  else if (status) query.set('status', status)
  if (status === 'pending') query.set('parked', 'false')
  if (kind) query.set('kind', kind)
  if (hash) query.set('txHash', hash)
  if (cursor) query.set('cursor', cursor)
  return `v1/transactions?${query}`
}

function linkOf({ status, kind, hash, cursor }: Partial<Filter>): string {
  return linkTo(['transactions'], { status, kind, hash, cursor })
}

function FilterForm({ filter }: { readonly filter: Filter }) {
  const [problem, setProblem] = useState('')
  const hash = useRef<HTMLInputElement>(null)
  const kind = useRef<HTMLInputElement>(null)
  const status = useRef<HTMLSelectElement>(null)

  function apply(event: Event): void {
    event.preventDefault()
    const given = hash.current?.value.trim() ?? ''
    if (ID.test(given)) {
      goTo(linkTo(['transactions', given]))
      return
    }
    if (given !== '' && !HASH.test(given)) {
      setProblem('A hash is 0x and 64 hexadecimal digits; an id of confirmd is taken too.')
      return
    }
    setProblem('')
    const chosen = status.current?.value ?? ''
    goTo(
      linkOf({
        status: isShownStatus(chosen) ? chosen : null,
        kind: kind.current?.value.trim() ?? '',
        hash: given,
      }),
    )
  }

  const isFiltered = filter.status !== null || filter.kind !== '' || filter.hash !== ''
  return (
    <search>
      <form class="filters panel" onSubmit={apply}>
        <div class="field wide">
          <label for="hash">Hash</label>
          <input
            ref={hash}
            id="hash"
            type="search"
            defaultValue={filter.hash}
            placeholder="0x…"
            spellcheck={false}
            autocomplete="off"
            aria-describedby="hash-problem"
            aria-invalid={problem !== ''}
          />
        </div>
        <div class="field">
          <label for="status">Status</label>
          <select ref={status} id="status" onChange={apply}>
            <option value="" selected={filter.status === null}>
              All
            </option>
            {SHOWN_STATUSES.map((each) => (
              <option key={each} value={each} selected={each === filter.status}>
                {STATUS_WORDS[each].label}
              </option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="kind">Kind</label>
          <input
            ref={kind}
            id="kind"
            type="search"
            defaultValue={filter.kind}
            placeholder="any"
            spellcheck={false}
            autocomplete="off"
          />
        </div>
        <div class="buttons">
          <button type="submit" class="main">
            Show
          </button>
          {isFiltered && <a href={linkOf({})}>Clear</a>}
        </div>
        <p id="hash-problem" role="alert" class="said problem">
          {problem}
        </p>
      </form>
    </search>
  )
}

function Meaning({ status }: { readonly status: ShownStatus }) {
  const { label, meaning, advice } = STATUS_WORDS[status]
  return (
    <p class={`note meaning of-${status}`}>
      <strong>{label}.</strong> {meaning} <span class="advice">{advice}</span>
    </p>
  )
}

function Meanings() {
  return (
    <details class="meanings">
      <summary>What the states mean</summary>
      <dl>
        {SHOWN_STATUSES.map((status) => (
          <div key={status}>
            <dt>
              <a href={linkOf({ status })}>
                <StatusBadge status={status} />
              </a>
            </dt>
            <dd>
              {STATUS_WORDS[status].meaning} <span class="advice">{STATUS_WORDS[status].advice}</span>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

function Found({ page, filter }: { readonly page: TransactionPage; readonly filter: Filter }) {
  const { transactions, nextCursor } = page
  const isFiltered = filter.status !== null || filter.kind !== '' || filter.hash !== ''
  return (
    <section class="panel" aria-label="Found">
      <DataTable
        caption="Transactions, the newest first"
        isCaptionHidden
        rows={transactions}
        keyOf={({ id }) => id}
        empty={isFiltered ? 'There is none like that.' : 'No transaction was registered yet.'}
        columns={[
          {
            header: 'Hash',
            cell: ({ id, txHash }) => (
              <a href={linkTo(['transactions', id])}>
                <ShortHash hash={txHash} />
              </a>
            ),
          },
          {
            header: 'Status',
            cell: (transaction) => <StatusBadge status={shownStatus(transaction)} />,
          },
          { header: 'Kind', cell: ({ kind }) => kind },
          { header: 'Recorded', cell: ({ createdAt }) => <Time at={createdAt} /> },
          {
            header: 'Settled',
            cell: settledOf,
          },
          {
            header: 'Why',
            cell: whyOf,
          },
        ]}
      />
      {(filter.cursor || nextCursor) && (
        <nav class="pager" aria-label="Pages of the list">
          {filter.cursor && <a href={linkOf({ ...filter, cursor: '' })}>Newest</a>}
          {nextCursor && <a href={linkOf({ ...filter, cursor: nextCursor })}>Older</a>}
        </nav>
      )}
    </section>
  )
}

function whyOf({ failure, lastError }: TransactionPage['transactions'][number]) {
  const why = failure?.name ?? lastError
  return why === null ? null : <span class="clipped">{why}</span>
}

function settledOf({ settledAt, parkedAt, nextCheckAt }: TransactionPage['transactions'][number]) {
  if (settledAt !== null) return <Time at={settledAt} />
  if (parkedAt !== null || nextCheckAt === null) return null
  return (
    <span class="hint">
      next look <Time at={nextCheckAt} />
    </span>
  )
}
