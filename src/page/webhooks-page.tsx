import type { WebhookList } from './answers.ts'
import { DataTable } from './data-table.tsx'
import { ProblemNote } from './problem-note.tsx'
import { useResource } from './resource.ts'
import { linkTo } from './route.ts'
import { WebhookState } from './webhook-state.tsx'

const POLL_MS = 5_000

export function WebhooksPage() {
  const { data, problem } = useResource<WebhookList>('v1/webhooks', { concerns: () => true, pollMs: POLL_MS })
  return (
    <>
      <h1 tabIndex={-1}>Webhooks</h1>
      <p class="hint">
        Where outcomes are sent. A new one is made by <code>POST /v1/webhooks</code>: see{' '}
        <a href="docs/">the API</a>.
      </p>
      {problem && <ProblemNote problem={problem} />}
      {!data && !problem && <p class="hint">Asking confirmd…</p>}
      {data && (
        <section class="panel" aria-label="All webhooks">
          <DataTable
            caption="All webhooks"
            isCaptionHidden
            rows={data.webhooks}
            keyOf={({ id }) => id}
            empty="There are none."
            columns={[
              { header: 'Webhook', cell: ({ id, url }) => <a href={linkTo(['webhooks', id])}>{url}</a> },
              { header: 'State', cell: (webhook) => <WebhookState webhook={webhook} /> },
              { header: 'Kinds', cell: ({ kinds }) => kinds?.join(', ') ?? 'all' },
              { header: 'Statuses', cell: ({ statuses }) => statuses?.join(', ') ?? 'all' },
              { header: 'For', cell: ({ description }) => description || null },
            ]}
          />
        </section>
      )}
    </>
  )
}
