import type { AnnouncedStatus } from '../domain/event.ts'
import type {
  Delivery,
  DeliveryFilter,
  ReplayRange,
  Webhook,
  WebhookChange,
  WebhookFields,
} from '../domain/webhook.ts'
import type { TypedApp } from './app.ts'
import { ProblemError } from './problem.ts'
import { problemAnswers, WebhookId } from './schemas.ts'
import {
  CreatedWebhook,
  DeliveryAnswer,
  DeliveryId,
  DeliveryPage,
  DeliveryQuery,
  ReplayBody,
  Replayed,
  SecretAnswer,
  WebhookAnswer,
  WebhookBody,
  WebhookChangeBody,
  WebhookList,
} from './webhook-schemas.ts'

export interface WebhookDependencies {
  problemOf(url: string): string | null
  create(fields: WebhookFields): Promise<(Webhook & { secret: string }) | null>
  list(): Promise<Webhook[]>
  load(id: string): Promise<Webhook | null>
  update(id: string, change: WebhookChange): Promise<Webhook | null>
  delete(id: string): Promise<boolean>
  rotateSecret(id: string): Promise<{ secret: string; previousSecretUntil: Date } | null>
  sendTest(id: string): Promise<Delivery | null>
  listDeliveries(filter: DeliveryFilter): Promise<Delivery[]>
  replayDelivery(webhookId: string, id: string): Promise<Delivery | null>
  replayRange(webhookId: string, range: ReplayRange): Promise<number | null>
}

const TAGS = ['webhooks']

export function addWebhookRoutes(app: TypedApp, webhooks: WebhookDependencies): void {
  app.post(
    '/v1/webhooks',
    {
      schema: {
        tags: TAGS,
        summary: 'Have outcomes sent to a URL',
        description:
          'By Standard Webhooks 1.0, from now on. The secret that signs them is in this answer only.',
        body: WebhookBody,
        response: { 201: CreatedWebhook, ...problemAnswers(400, 409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { url, description = '', kinds = null, statuses = null } = request.body
      checkTarget(url)
      const created = await webhooks.create({
        url,
        description,
        kinds,
        statuses: statuses as AnnouncedStatus[],
      })
      if (!created)
        throw new ProblemError(409, 'there are as many webhooks as there may be; delete one first')
      return reply.code(201).send({ ...viewWebhook(created), secret: created.secret })
    },
  )

  app.get(
    '/v1/webhooks',
    { schema: { tags: TAGS, summary: 'All webhooks', response: { 200: WebhookList, ...problemAnswers() } } },
    async () => ({ webhooks: (await webhooks.list()).map(viewWebhook) }),
  )

  app.get(
    '/v1/webhooks/:id',
    {
      schema: {
        tags: TAGS,
        summary: 'One webhook',
        params: WebhookId,
        response: { 200: WebhookAnswer, ...problemAnswers(400, 404) },
      },
    },
    async ({ params: { id } }) => viewWebhook(found(await webhooks.load(id), id)),
  )

  app.patch(
    '/v1/webhooks/:id',
    {
      schema: {
        tags: TAGS,
        summary: 'Change a webhook, or switch it off or on',
        params: WebhookId,
        body: WebhookChangeBody,
        response: { 200: WebhookAnswer, ...problemAnswers(400, 404, 413, 415) },
      },
    },
    async ({ params: { id }, body }) => {
      if (body.url !== undefined) checkTarget(body.url)
      return viewWebhook(found(await webhooks.update(id, body as WebhookChange), id))
    },
  )

  app.delete(
    '/v1/webhooks/:id',
    {
      schema: {
        tags: TAGS,
        summary: 'Delete a webhook and its delivery log',
        description: 'It gets nothing more from now on; a long log is deleted in batches, by the workers.',
        params: WebhookId,
        response: { 204: { type: 'null' }, ...problemAnswers(400, 404) },
      },
    },
    async ({ params: { id } }, reply) => {
      if (!(await webhooks.delete(id))) throw noWebhook(id)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/v1/webhooks/:id/secret',
    {
      schema: {
        tags: TAGS,
        summary: 'Give a webhook a new secret',
        description: 'For a day both secrets sign, so that the receiver can change over.',
        params: WebhookId,
        response: { 200: SecretAnswer, ...problemAnswers(400, 404) },
      },
    },
    async ({ params: { id } }) => {
      const { secret, previousSecretUntil } = found(await webhooks.rotateSecret(id), id)
      return { secret, previousSecretUntil: previousSecretUntil.toISOString() }
    },
  )

  app.post(
    '/v1/webhooks/:id/test',
    {
      schema: {
        tags: TAGS,
        summary: 'Send a test event to a webhook',
        params: WebhookId,
        response: { 202: DeliveryAnswer, ...problemAnswers(400, 404) },
      },
    },
    async ({ params: { id } }, reply) =>
      reply.code(202).send(viewDelivery(found(await webhooks.sendTest(id), id))),
  )

  app.get(
    '/v1/webhooks/:id/deliveries',
    {
      schema: {
        tags: TAGS,
        summary: 'What was sent to a webhook, the newest first',
        params: WebhookId,
        querystring: DeliveryQuery,
        response: { 200: DeliveryPage, ...problemAnswers(400, 404) },
      },
    },
    async ({ params: { id }, query: { status, limit, cursor } }) => {
      found(await webhooks.load(id), id)
      // One more than the page, to know whether there is another.
      const filter = { webhookId: id, status, before: cursor, limit: limit + 1 }
      const rows = await webhooks.listDeliveries(filter)
      const page = rows.slice(0, limit)
      return {
        deliveries: page.map(viewDelivery),
        nextCursor: rows.length > page.length ? (page.at(-1)?.id ?? null) : null,
      }
    },
  )

  app.post(
    '/v1/webhooks/:id/deliveries/:deliveryId/replay',
    {
      schema: {
        tags: TAGS,
        summary: 'Send one delivery again',
        params: DeliveryId,
        response: { 202: DeliveryAnswer, ...problemAnswers(400, 404) },
      },
    },
    async ({ params: { id, deliveryId } }, reply) => {
      const replayed = await webhooks.replayDelivery(id, deliveryId)
      if (!replayed) throw new ProblemError(404, `webhook ${id} has no delivery ${deliveryId}`)
      return reply.code(202).send(viewDelivery(replayed))
    },
  )

  app.post(
    '/v1/webhooks/:id/replay',
    {
      schema: {
        tags: TAGS,
        summary: 'Send the events of a time range that were not delivered',
        description: 'Those that failed, and those from when it did not exist or was switched off.',
        params: WebhookId,
        body: ReplayBody,
        response: { 202: Replayed, ...problemAnswers(400, 404, 413, 415) },
      },
    },
    async ({ params: { id }, body }, reply) => {
      const from = readTime('from', body.from)
      const to = body.to === undefined ? new Date() : readTime('to', body.to)
      const range = { from, to, delivered: body.delivered ?? false }
      const replayed = await webhooks.replayRange(id, range)
      if (replayed === null) throw noWebhook(id)
      return reply.code(202).send({ replayed })
    },
  )

  function checkTarget(url: string): void {
    const message = webhooks.problemOf(url)
    if (message) throw new ProblemError(400, `url ${message}`, [{ field: 'url', message }])
  }
}

function readTime(field: string, text: string): Date {
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  const message = 'is not a time that there is'
  throw new ProblemError(400, `${field} ${message}`, [{ field, message }])
}

function found<T>(value: T | null, id: string): T {
  if (value === null) throw noWebhook(id)
  return value
}

function noWebhook(id: string): ProblemError {
  return new ProblemError(404, `there is no webhook with id ${id}`)
}

function viewWebhook({ failingSince, createdAt, kinds, statuses, ...rest }: Webhook) {
  return {
    ...rest,
    kinds: kinds && [...kinds],
    statuses: statuses && [...statuses],
    failingSince: failingSince?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  }
}

function viewDelivery({ attempts, nextAttemptAt, deliveredAt, createdAt, ...rest }: Delivery) {
  return {
    ...rest,
    attempts: attempts.map(({ attemptedAt, ...attempt }) => ({
      ...attempt,
      attemptedAt: attemptedAt.toISOString(),
    })),
    nextAttemptAt: nextAttemptAt?.toISOString() ?? null,
    deliveredAt: deliveredAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  }
}
