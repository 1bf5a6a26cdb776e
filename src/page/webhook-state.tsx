import type { WebhookView } from './answers.ts'
import { Time } from './time.tsx'

/** Whether a webhook is on and well, in a word and, where it is not, a sentence. */
export function WebhookState({
  webhook: { enabled, disabledReason, failingSince },
}: {
  readonly webhook: WebhookView
}) {
  if (!enabled) {
    return (
      <>
        <span class="badge of-failed">Switched off</span> {disabledReason ?? 'by a person'}
      </>
    )
  }
  if (failingSince !== null) {
    return (
      <>
        <span class="badge of-stalled">Failing</span> since <Time at={failingSince} />
      </>
    )
  }
  return <span class="badge of-confirmed">On</span>
}
