import type { Condition } from './drill.ts'
import { hasForbidden, PUBLIC_ADDRESSES, type StagedTarget } from './staged-targets.ts'
import { describeRecord, type WebhookRecord } from './webhook-records.ts'
import { listed, type WebhookStage } from './webhook-stage.ts'

/** Every delivery to a staged target was tried as often as may be, refused as often as it must be, and given up. */
export async function judgeDeliveries(stage: WebhookStage): Promise<Condition[]> {
  const { targets, watch } = stage
  const records = await stage.records()
  const looks = await watch.looks()
  const isSound: Record<StagedTarget['kind'], (record: WebhookRecord, hostname: string) => boolean> = {
    text: ({ attempts, refused }) => refused === attempts,
    name: ({ attempts, refused }) => refused === attempts,
    rebinding: ({ attempts, refused }, hostname) => {
      const forbidden = looks.filter(({ name, addresses }) => name === hostname && hasForbidden(addresses))
      return refused === forbidden.length && refused > 0 && refused < attempts
    },
    public: ({ refused }) => refused === 0,
  }

  const all = targets.map((target) => ({ ...target, record: records.get(target.url) }))
  const wrong = all.filter(
    ({ kind, hostname, record }) => !record || !isGivenUp(record) || !isSound[kind](record, hostname),
  )
  const deliveries = all.reduce((sum, { record }) => sum + (record?.failed ?? 0), 0)
  const refused = all.reduce((sum, { record }) => sum + (record?.refused ?? 0), 0)
  return [
    {
      text: `${all.length} targets, ${deliveries} deliveries given up after all attempts, ${refused} attempts refused; not so: ${wrong.length}${listed(wrong.map(({ url, record }) => (record ? describeRecord(record) : `${url} is gone`)))}`,
      passed: wrong.length === 0 && deliveries > 0,
    },
  ]
}

/** Each delivery had every attempt that there may be, and failed. */
export function isGivenUp({ wanted, failed, exhausted }: WebhookRecord): boolean {
  return wanted > 0 && failed === wanted && exhausted === wanted
}

/** Nothing was asked but the parts of the process, public addresses, and the targets that answer. */
export async function judgeConnections(
  { parts, watch }: WebhookStage,
  allowedUrls: readonly string[],
): Promise<Condition[]> {
  const partUrls = [parts.postgres.url, parts.rabbitmq.url, ...parts.nodes.map(({ url }) => url)]
  const ownPlaces = new Set([...partUrls, ...allowedUrls].map((url) => new URL(url).host))
  const connections = await watch.connections()
  const isOwn = (place: string) => ownPlaces.has(place)
  const own = connections.filter(({ address, port }) => isOwn(`${address}:${port}`))
  const elsewhere = connections.filter(({ address, port }) => !isOwn(`${address}:${port}`))
  const toPublic = elsewhere.filter(({ address }) => PUBLIC_ADDRESSES.includes(address))
  const forbidden = elsewhere.filter(({ address }) => !PUBLIC_ADDRESSES.includes(address))
  const places = new Map<string, number>()
  for (const { address, port } of forbidden) {
    const place = `${address} port ${port}`
    places.set(place, (places.get(place) ?? 0) + 1)
  }
  return [
    {
      text: `connections to forbidden addresses: ${forbidden.length}${listed([...places].map(([place, count]) => `${count}× ${place}`))}`,
      passed: forbidden.length === 0,
    },
    {
      text: `the watch saw ${own.length} connections of the processes' own and ${toPublic.length} to public addresses`,
      passed: own.length > 0 && toPublic.length > 0,
    },
  ]
}
