import type { Overview } from '../domain/overview.ts'
import { ago, columns, counted, harmless, lasting, paint } from './output.ts'

/** The overview for one screen. */
export function showOverview(overview: Overview, brokerProblem: string | null): string {
  const now = new Date(overview.at)
  const { version, chain } = overview
  return [
    `${paint('bold', `confirmd ${version} on ${chain}`)}  ${paint('dim', now.toISOString())}`,
    '',
    columns(summaryOf(overview)),
    ...sectionOf('queues', queueRows(overview)),
    ...(brokerProblem === null ? [] : [paint('red', `  ${harmless(brokerProblem)}`)]),
    ...sectionOf('nodes, as the workers saw them', nodeRows(overview, now)),
    ...sectionOf('processes', processRows(overview, now)),
    ...hintsOf(overview),
  ].join('\n')
}

function summaryOf({ open, settledLastMinute, unsentEvents, webhooks }: Overview): string[][] {
  const { enabled, disabled, failing, deliveriesWaiting } = webhooks
  return [
    [
      'open',
      `${open.pending} pending`,
      worrying(open.overdue, 'overdue', 'dim'),
      worrying(open.stalled, 'stalled', 'yellow'),
      worrying(open.parked, 'parked', 'red'),
    ],
    ['settled', `${settledLastMinute} in the last minute`],
    ['events', `${unsentEvents} to be announced`],
    [
      'webhooks',
      `${enabled} on`,
      worrying(disabled, 'off', 'yellow'),
      worrying(failing, 'failing', 'yellow'),
      `${counted(deliveriesWaiting, 'delivery', 'deliveries')} waiting`,
    ],
  ]
}

function worrying(count: number, what: string, colour: 'dim' | 'yellow' | 'red'): string {
  return count > 0 ? paint(colour, `${count} ${what}`) : `0 ${what}`
}

function sectionOf(title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length > 0 ? ['', paint('bold', title), columns(rows, '  ')] : []
}

function queueRows({ queues }: Overview): string[][] {
  return queues.map(({ name, role, messages }) => [
    harmless(name),
    role === 'parked' && messages > 0 ? paint('red', String(messages)) : String(messages),
  ])
}

function nodeRows({ nodes }: Overview, now: Date): string[][] {
  return nodes.map(({ name, headNumber, lagBlocks, seenAt, problem }) => [
    harmless(name),
    headNumber === null ? 'no head yet' : `head ${headNumber}`,
    lagBlocks ? paint('yellow', `${lagBlocks} behind`) : '',
    seenAt === null ? 'never seen' : `seen ${ago(seenAt, now)}`,
    problem === null ? paint('green', 'ok') : paint('red', harmless(problem)),
  ])
}

function processRows({ processes, leader }: Overview, now: Date): string[][] {
  return processes.map(({ id, role, host, pid, version, startedAt, seenAt }) => [
    role,
    `${harmless(host)}:${pid}`,
    harmless(version),
    `up ${lasting(now.getTime() - new Date(startedAt).getTime())}`,
    `seen ${ago(seenAt, now)}`,
    id === leader?.processId ? `follows the blocks${blockOf(leader.blockNumber)}` : '',
  ])
}

function blockOf(blockNumber: number | null): string {
  return blockNumber === null ? '' : `, at ${blockNumber}`
}

function hintsOf({ open, processes }: Overview): string[] {
  const hints = [
    ...(processes.some(({ role }) => role !== 'api')
      ? []
      : ["no worker was heard of lately: nothing is checked; start 'confirmd worker'"]),
    ...(open.parked > 0 ? ["parked: 'confirmd parked list' says why"] : []),
    ...(open.stalled > 0 ? ["stalled: 'confirmd recheck --status stalled' looks at them again"] : []),
  ]
  return hints.length > 0 ? ['', ...hints.map((hint) => paint('yellow', hint))] : []
}
