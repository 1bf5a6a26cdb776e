import { randomBytes, randomUUID } from 'node:crypto'
import type {
  Delivery,
  DeliveryFilter,
  ReplayRange,
  Webhook,
  WebhookChange,
  WebhookFields,
} from '../domain/webhook.ts'
import { type TargetRules, targetProblem } from '../domain/webhook-target.ts'

export interface WebhookStore {
  createWebhook(given: WebhookFields & { id: string; secret: string }, most: number): Promise<Webhook | null>
  listWebhooks(): Promise<Webhook[]>
  loadWebhook(id: string): Promise<Webhook | null>
  updateWebhook(id: string, change: WebhookChange): Promise<Webhook | null>
  deleteWebhook(id: string): Promise<boolean>
  rotateSecret(
    id: string,
    rotation: { secret: string; overlapMs: number },
  ): Promise<{ previousSecretUntil: Date } | null>
  addTestDelivery(id: string, test: { id: string; data: object }): Promise<Delivery | null>
  listDeliveries(filter: DeliveryFilter): Promise<Delivery[]>
  replayDelivery(webhookId: string, id: string): Promise<Delivery | null>
  replayRange(webhookId: string, range: ReplayRange): Promise<number | null>
}

/** Bounds what one event costs. */
export const MAX_WEBHOOKS = 100
const SECRET_BYTES = 32
/** For so long after a rotation the old secret signs too. */
const SECRET_OVERLAP_MS = 24 * 3_600_000

/** What a person or a program may do with webhooks. Null answers: there is no such webhook or delivery. */
export function createWebhooks(store: WebhookStore, rules: TargetRules) {
  return {
    /** Why this URL can't be taken; null if it can. */
    problemOf: (url: string) => targetProblem(url, rules),
    /** The secret is shown this once. Null if there are MAX_WEBHOOKS already. */
    create: async (fields: WebhookFields): Promise<(Webhook & { secret: string }) | null> => {
      const secret = createSecret()
      const created = await store.createWebhook({ ...fields, id: randomUUID(), secret }, MAX_WEBHOOKS)
      return created && { ...created, secret }
    },
    list: store.listWebhooks,
    load: store.loadWebhook,
    update: store.updateWebhook,
    delete: store.deleteWebhook,
    rotateSecret: async (id: string) => {
      const secret = createSecret()
      const rotated = await store.rotateSecret(id, { secret, overlapMs: SECRET_OVERLAP_MS })
      return rotated && { secret, ...rotated }
    },
    /** Sends an event of type `confirmd.webhook.test.v1` to this webhook alone. */
    sendTest: (id: string) => store.addTestDelivery(id, { id: randomUUID(), data: { id } }),
    listDeliveries: store.listDeliveries,
    replayDelivery: store.replayDelivery,
    replayRange: store.replayRange,
  }
}

/** As Standard Webhooks has it: base64 with a prefix. */
function createSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`
}
