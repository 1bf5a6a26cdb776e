import { ActionButton } from './action-button.tsx'
import { useServer } from './server.ts'

interface Props {
  readonly delivery: { readonly id: string; readonly webhookId: string }
  readonly onReplayed: () => void
}

export function ReplayButton({ delivery: { id, webhookId }, onReplayed }: Props) {
  const { api } = useServer()
  async function replay(): Promise<string> {
    await api.post(`v1/webhooks/${webhookId}/deliveries/${id}/replay`)
    onReplayed()
    return 'On its way.'
  }
  return <ActionButton label="Send again" of={`delivery ${id}`} act={replay} />
}
