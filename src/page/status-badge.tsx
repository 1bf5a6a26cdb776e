import type { ShownStatus } from './answers.ts'
import { isShownStatus, STATUS_WORDS } from './status-words.ts'

/** The word says it; the colour only helps. */
export function StatusBadge({ status }: { readonly status: ShownStatus }) {
  return <span class={`badge of-${status}`}>{STATUS_WORDS[status].label}</span>
}

/** Of an event: `disabled` and `test` are none of a transaction. */
export function EventBadge({ status }: { readonly status: string }) {
  return isShownStatus(status) ? <StatusBadge status={status} /> : <span class="badge">{status}</span>
}
