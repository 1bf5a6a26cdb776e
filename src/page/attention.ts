import type { Overview } from '../domain/overview.ts'
import { linkTo } from './route.ts'

export interface Attention {
  readonly text: string
  readonly advice: string
  readonly link: string | null
}

/** What a person has to do something about, in the order of its weight. */
export function attentionsOf({ open, nodes, processes, webhooks }: Overview): Attention[] {
  const list = (status: string) => linkTo(['transactions'], { status })
  const unusable = nodes.filter(({ problem }) => problem !== null)
  const found: (Attention & { readonly holds: boolean })[] = [
    {
      holds: !processes.some(({ role }) => role !== 'api'),
      text: 'No worker runs.',
      advice: 'Nothing is checked until one does: start confirmd worker.',
      link: null,
    },
    {
      holds: nodes.length > 0 && unusable.length === nodes.length,
      text: 'No node of the chain can be used.',
      advice: 'Nothing is lost, but nothing is decided either. The table of nodes says why.',
      link: null,
    },
    {
      holds: unusable.length > 0 && unusable.length < nodes.length,
      text: `${counted(unusable.length, 'node')} can’t be used.`,
      advice: 'The others do the work meanwhile. The table of nodes says why.',
      link: null,
    },
    {
      holds: open.parked > 0,
      text: `${counted(open.parked, 'transaction')} parked.`,
      advice: 'A business write failed too often, or a handler is missing. Each says why.',
      link: list('parked'),
    },
    {
      holds: open.stalled > 0,
      text: `${counted(open.stalled, 'transaction')} stalled.`,
      advice: 'No node has a receipt. Make sure that they were really sent.',
      link: list('stalled'),
    },
    {
      holds: webhooks.failing > 0,
      text: `${counted(webhooks.failing, 'webhook')} failing.`,
      advice: 'What is not delivered is tried again for days; see what the receiver answers.',
      link: linkTo(['webhooks']),
    },
    {
      holds: webhooks.disabled > 0,
      text: `${counted(webhooks.disabled, 'webhook')} switched off.`,
      advice: 'Nothing is sent to it until somebody switches it on.',
      link: linkTo(['webhooks']),
    },
  ]
  return found.filter(({ holds }) => holds).map(({ text, advice, link }) => ({ text, advice, link }))
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}
