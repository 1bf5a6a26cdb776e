import type { Overview } from '../domain/overview.ts'
import { ActivityPlots } from './activity-plots.tsx'
import { wholeNumber } from './amount.ts'
import { attentionsOf } from './attention.ts'
import { DataTable } from './data-table.tsx'
import { duration } from './duration.ts'
import { ProblemNote } from './problem-note.tsx'
import { type Resource, useResource } from './resource.ts'
import { linkTo } from './route.ts'
import { useConnection } from './server.ts'
import { Ago, Time } from './time.tsx'

/** Counts of what is open change without an event. */
const POLL_MS = 5_000

export function NowPage() {
  const overview = useResource<Overview>('v1/overview', { concerns: () => true, pollMs: POLL_MS })
  return (
    <>
      <Heading overview={overview} />
      {overview.problem && <ProblemNote problem={overview.problem} />}
      {overview.data && <Attention overview={overview.data} />}
      {overview.data && <Counts overview={overview.data} />}
      <ActivityPlots />
      {overview.data && <Parts overview={overview.data} />}
    </>
  )
}

function Heading({ overview: { data } }: { readonly overview: Resource<Overview> }) {
  const connection = useConnection()
  return (
    <div class="heading">
      <h1 tabIndex={-1}>Now</h1>
      <p class="hint">
        {data ? (
          <>
            Chain {data.chain} · confirmd {data.version} · as of <Time at={data.at} />
          </>
        ) : (
          'Asking confirmd…'
        )}
        {connection === 'live' && <span class="live"> · live</span>}
      </p>
    </div>
  )
}

function Attention({ overview }: { readonly overview: Overview }) {
  const attentions = attentionsOf(overview)
  if (attentions.length === 0) {
    return (
      <section class="note fine" aria-label="What needs somebody">
        <p>Nothing needs you.</p>
      </section>
    )
  }
  return (
    <section class="note attention" aria-labelledby="attention">
      <h2 id="attention">What needs somebody</h2>
      <ul>
        {attentions.map(({ text, advice, link }) => (
          <li key={text}>
            {link ? <a href={link}>{text}</a> : <strong>{text}</strong>} {advice}
          </li>
        ))}
      </ul>
    </section>
  )
}

function Counts({
  overview: { open, settledLastMinute, webhooks, unsentEvents },
}: {
  readonly overview: Overview
}) {
  const list = (status: string) => linkTo(['transactions'], { status })
  const counts = [
    {
      label: 'Pending',
      value: open.pending,
      hint: `${wholeNumber(open.overdue)} due now`,
      link: list('pending'),
    },
    { label: 'Stalled', value: open.stalled, hint: 'no receipt for long', link: list('stalled') },
    { label: 'Parked', value: open.parked, hint: 'needs a person', link: list('parked') },
    {
      label: 'Settled a minute',
      value: settledLastMinute,
      hint: 'in the last 60 s',
      link: linkTo(['transactions']),
    },
    {
      label: 'Webhooks failing',
      value: webhooks.failing,
      hint: `of ${webhooks.enabled} that are on`,
      link: linkTo(['webhooks']),
    },
    { label: 'Events on their way', value: unsentEvents, hint: 'not yet on the exchange', link: null },
  ]
  return (
    <section aria-labelledby="counts">
      <h2 id="counts" class="unseen">
        Counts
      </h2>
      <dl class="counts">
        {counts.map(({ label, value, hint, link }) => (
          <div key={label} class="count">
            <dt>{link ? <a href={link}>{label}</a> : label}</dt>
            <dd class="amount">{wholeNumber(value)}</dd>
            <dd class="hint">{hint}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

const QUEUE_ROLES = {
  check: 'to be checked at once',
  wait: 'waiting for their next look',
  parked: 'set aside',
} as const

function Parts({
  overview: { queues, nodes, processes, leader, webhooks },
}: {
  readonly overview: Overview
}) {
  return (
    <>
      <div class="pair">
        <section class="panel">
          <h2>Nodes of the chain</h2>
          <DataTable
            caption="Nodes, in their order of preference"
            isCaptionHidden
            rows={nodes}
            keyOf={({ name }) => name}
            empty="No worker has told of a node yet."
            columns={[
              { header: 'Node', cell: ({ name }) => <code>{name}</code> },
              {
                header: 'Head',
                isNumber: true,
                cell: ({ headNumber }) => (headNumber === null ? null : wholeNumber(headNumber)),
              },
              {
                header: 'Lag',
                isNumber: true,
                cell: ({ lagBlocks }) => (lagBlocks === null ? null : blocks(lagBlocks)),
              },
              {
                header: 'Head’s time',
                cell: ({ headAt }) => (headAt === null ? null : <Ago at={headAt} />),
              },
              {
                header: 'State',
                cell: ({ problem }) =>
                  problem === null ? (
                    <span class="badge of-confirmed">in use</span>
                  ) : (
                    <span class="said problem">{problem}</span>
                  ),
              },
            ]}
          />
        </section>
        <section class="panel">
          <h2>Queues</h2>
          <DataTable
            caption="Messages in each queue"
            isCaptionHidden
            rows={queues}
            keyOf={({ name }) => name}
            empty="There are none: the table is the queue, or RabbitMQ does not answer."
            columns={[
              { header: 'Queue', cell: ({ name }) => <code>{name}</code> },
              {
                header: 'Holds checks',
                cell: ({ role, delayMs }) =>
                  delayMs === null ? QUEUE_ROLES[role] : `${QUEUE_ROLES[role]}, ${duration(delayMs)} each`,
              },
              { header: 'Messages', isNumber: true, cell: ({ messages }) => wholeNumber(messages) },
            ]}
          />
        </section>
      </div>
      <div class="pair">
        <section class="panel">
          <h2>Processes</h2>
          <DataTable
            caption="Processes that run"
            isCaptionHidden
            rows={processes}
            keyOf={({ id }) => id}
            empty="No process has told of itself yet."
            columns={[
              {
                header: 'Process',
                cell: ({ id, role, host, pid }) => (
                  <>
                    {role} {pid} at {host}{' '}
                    {leader?.processId === id && <span class="badge of-pending">follows the blocks</span>}
                  </>
                ),
              },
              { header: 'Version', cell: ({ version }) => version },
              { header: 'Started', cell: ({ startedAt }) => <Ago at={startedAt} /> },
            ]}
          />
          <p class="hint">{leaderText(leader)}</p>
        </section>
        <section class="panel">
          <h2>Webhooks</h2>
          <dl class="facts">
            <dt>On</dt>
            <dd>{webhooks.enabled}</dd>
            <dt>Failing</dt>
            <dd>{webhooks.failing}</dd>
            <dt>Switched off</dt>
            <dd>{webhooks.disabled}</dd>
            <dt>Deliveries waiting</dt>
            <dd>{wholeNumber(webhooks.deliveriesWaiting)}</dd>
          </dl>
          <p>
            <a href={linkTo(['webhooks'])}>All webhooks and what was sent to them</a>
          </p>
        </section>
      </div>
    </>
  )
}

function blocks(count: number): string {
  return count === 1 ? '1 block' : `${wholeNumber(count)} blocks`
}

function leaderText(leader: Overview['leader']): string {
  if (leader === null) {
    return 'No process follows the blocks at the moment (or FOLLOW_BLOCKS is off): verdicts come by the queue, a little later.'
  }
  const { blockNumber } = leader
  return blockNumber === null
    ? 'The process that follows the blocks has read none yet.'
    : `Blocks are read up to ${wholeNumber(blockNumber)}.`
}
