/** `confirmd/client`: for backends in JavaScript and TypeScript. It needs nothing but `fetch`. */
export { type CallOptions, ConfirmdError, type FetchLike } from './client/call.ts'
export {
  type ClientOptions,
  type ConfirmdClient,
  createClient,
  type EventOptions,
  type TrackRequest,
  type TrackResult,
  type TransactionEvent,
  type WaitOptions,
  WaitTimeoutError,
} from './client/client.ts'
export { verifyWebhook, type WebhookRequest, WebhookVerificationError } from './client/verify-webhook.ts'
export type { CloudEvent } from './domain/event.ts'
export type { Look, LookOutcome, Sighting } from './domain/look.ts'
export type { TransactionDetail, TransactionView } from './domain/transaction-view.ts'
