import type { DeliveryStatus } from '../domain/webhook.ts'

export const DELIVERY_WORDS: Readonly<
  Record<DeliveryStatus, { readonly label: string; readonly colour: string }>
> = {
  pending: { label: 'On its way', colour: 'of-pending' },
  delivered: { label: 'Delivered', colour: 'of-confirmed' },
  failed: { label: 'Given up', colour: 'of-failed' },
}

export function DeliveryBadge({ status }: { readonly status: DeliveryStatus }) {
  const { label, colour } = DELIVERY_WORDS[status]
  return <span class={`badge ${colour}`}>{label}</span>
}
