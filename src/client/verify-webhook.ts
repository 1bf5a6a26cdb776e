import type { TransactionEvent } from './client.ts'

/** The request is not one of confirmd's, or an old one sent again: answer 400 and do nothing. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError'
}

export interface WebhookRequest {
  /** The headers as they came: `request.headers` of Node, or `Headers`. */
  readonly headers: Headers | Readonly<Record<string, string | string[] | undefined>>
  /** The body as it came, before anything parsed it. */
  readonly body: string | Uint8Array
  /** The webhook's secret, `whsec_…`. */
  readonly secret: string
  /** How old or how far ahead a request may be, in seconds; 300 if left out. */
  readonly toleranceS?: number
}

const TOLERANCE_S = 300
const PREFIX = 'whsec_'

/**
 * Checks that a webhook's request is from confirmd, by Standard Webhooks 1.0, and returns its event. The same event
 * may come more than once: its `id` is the same each time.
 * @throws WebhookVerificationError
 */
export async function verifyWebhook(request: WebhookRequest): Promise<TransactionEvent> {
  const { headers, secret, toleranceS = TOLERANCE_S } = request
  const body = typeof request.body === 'string' ? request.body : new TextDecoder().decode(request.body)
  const id = headerOf(headers, 'webhook-id')
  const timestamp = headerOf(headers, 'webhook-timestamp')
  const signatures = headerOf(headers, 'webhook-signature').split(' ')
  const ageS = Math.abs(Date.now() / 1_000 - Number(timestamp))
  if (!/^\d+$/.test(timestamp) || ageS > toleranceS) {
    throw new WebhookVerificationError(`the request is of another time: webhook-timestamp is ${timestamp}`)
  }
  const key = await crypto.subtle.importKey(
    'raw',
    bytesOf(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['verify'],
  )
  const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`)
  for (const signature of signatures) {
    const [version, encoded] = signature.split(',')
    if (version !== 'v1' || !encoded) continue
    // Compares in constant time.
    if (await crypto.subtle.verify('HMAC', key, bytesOf(encoded), signed)) {
      return JSON.parse(body) as TransactionEvent
    }
  }
  throw new WebhookVerificationError('no signature fits: another secret, or the body was changed on its way')
}

function headerOf(headers: WebhookRequest['headers'], name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : headers[name]
  if (typeof value !== 'string' || value === '') {
    throw new WebhookVerificationError(`the request has no ${name}`)
  }
  return value
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {
    throw new WebhookVerificationError('a secret or signature is not base64')
  }
}
