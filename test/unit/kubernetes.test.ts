import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import pino from 'pino'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { brokerNames } from '../../src/broker/topology.ts'
import { readConfig, SETTING_LIST } from '../../src/config.ts'
import { createApp } from '../../src/http/app.ts'
import { addHealthRoutes } from '../../src/http/operation-routes.ts'

const FOLDER = 'deploy/kubernetes'
const VARIABLES = SETTING_LIST.map(({ variable }) => variable)
/** Settings whose values hold passwords or keys. */
const SECRET = ['DATABASE_URL', 'AMQP_URL', 'RPC_URLS', 'RPC_WS_URLS', 'API_KEYS']

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
  readonly timeoutSeconds: number
}

interface Container {
  readonly image: string
  readonly args: readonly string[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly env: readonly {
    readonly name: string
    readonly value?: string
    readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } }
  }[]
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[]
  readonly startupProbe?: Probe
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
  readonly resources: {
    readonly requests: { readonly cpu?: string; readonly memory?: string }
    readonly limits: { readonly memory?: string }
  }
  readonly securityContext: object
}

type Labels = Readonly<Record<string, string>>

interface PodTemplate {
  readonly metadata: { readonly labels: Labels }
  readonly spec: {
    readonly terminationGracePeriodSeconds?: number
    readonly automountServiceAccountToken: boolean
    readonly securityContext: { readonly runAsNonRoot: boolean; readonly runAsUser: number }
    readonly topologySpreadConstraints: readonly { readonly labelSelector: Selector }[]
    readonly containers: readonly [Container]
  }
}

interface Selector {
  readonly matchLabels: Labels
}

/** What is read of the specifications of all kinds; each has some of it. */
interface Spec {
  readonly replicas?: number
  /** Of a Service it is the labels themselves. */
  readonly selector: Selector & Labels
  readonly podSelector: Selector
  readonly template: PodTemplate
  readonly ports: readonly object[]
  readonly ingress: readonly object[]
  readonly scaleTargetRef: object
  readonly minReplicaCount: number
  readonly maxReplicaCount: number
  readonly triggers: readonly object[]
}

interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: Spec
}

interface Kustomization {
  readonly resources?: readonly string[]
  readonly components?: readonly string[]
  readonly configMapGenerator?: readonly { readonly name: string; readonly envs: readonly string[] }[]
  readonly images?: readonly { readonly name: string; readonly newName: string; readonly newTag: string }[]
}

function read(path: string): unknown[] {
  return parseAllDocuments(readFileSync(path, 'utf8'), { merge: true }).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as unknown
  })
}

const files = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
const kustomizations = files.filter((path) => basename(path) === 'kustomization.yaml')
const resources = files
  .filter((path) => path.endsWith('.yaml') && !kustomizations.includes(path))
  .flatMap((path) => read(path) as Resource[])
const ofKind = (kind: string) => resources.filter((resource) => resource.kind === kind)
const deployments = ofKind('Deployment')
const podOf = ({ spec }: Resource) => spec.template
const pods = [...deployments, ...ofKind('Job')].map(podOf)
const containers = pods.map(({ spec }) => spec.containers[0])
const settings = Object.fromEntries(
  readFileSync(`${FOLDER}/settings.env`, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
)

describe('deploy/kubernetes', () => {
  it('has the API, the workers and the migration, and every file is part of it', () => {
    expect(deployments.map(({ metadata }) => metadata.name)).toEqual(['confirmd-api', 'confirmd-worker'])
    expect(ofKind('Job')).toHaveLength(1)
    const named = kustomizations.flatMap((path) => {
      const [content] = read(path) as [Kustomization]
      const envs = content.configMapGenerator?.flatMap((each) => each.envs) ?? []
      const components = (content.components ?? []).map((each) => join(each, 'kustomization.yaml'))
      return [...(content.resources ?? []), ...envs, ...components].map((each) => join(dirname(path), each))
    })
    // The two that are applied.
    const roots = [`${FOLDER}/kustomization.yaml`, `${FOLDER}/migrate/kustomization.yaml`]
    expect([...new Set([...named, ...roots])].sort()).toEqual([...files].sort())
  })

  it('sets the image in one place, to a release', () => {
    for (const { image } of containers) expect(image).toBe('confirmd')
    const [{ images }] = read(`${FOLDER}/release/kustomization.yaml`) as [Kustomization]
    expect(images).toEqual([{ name: 'confirmd', newName: expect.any(String), newTag: expect.any(String) }])
    expect(images?.[0]?.newTag).toMatch(/^\d+\.\d+\.\d+$/)
    for (const path of [`${FOLDER}/kustomization.yaml`, `${FOLDER}/migrate/kustomization.yaml`]) {
      const [{ components }] = read(path) as [Kustomization]
      expect(components?.map((each) => join(dirname(path), each))).toEqual([`${FOLDER}/release`])
    }
  })

  it('runs commands that the program has', () => {
    const help = execFileSync(process.execPath, ['dist/main.js', '--help'], { encoding: 'utf8' })
    const commands = [...help.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, command]) => command)
    expect(containers.map(({ args }) => args)).toEqual([['api'], ['worker'], ['migrate']])
    for (const { args } of containers) expect(commands).toContain(args[0])
  })

  it('gives settings that exist, and values that are valid', () => {
    for (const { env } of containers) for (const { name } of env) expect(VARIABLES).toContain(name)
    for (const name of Object.keys(settings)) expect(VARIABLES).toContain(name)
    const secret = { DATABASE_URL: 'postgres://host/name', RPC_URLS: 'http://node' }
    expect(() => readConfig({ ...settings, ...secret, NODE_ENV: 'production' })).not.toThrow()
    for (const deployment of deployments) {
      const { envFrom, env } = podOf(deployment).spec.containers[0]
      expect(envFrom).toEqual([{ configMapRef: { name: 'confirmd-settings' } }])
      expect(env.map(({ name }) => name)).toEqual(['DATABASE_URL', 'AMQP_URL', 'RPC_URLS', 'API_KEYS'])
    }
  })

  it('holds no secret: what is one comes from the Secret', () => {
    expect(ofKind('Secret')).toEqual([])
    for (const name of Object.keys(settings)) expect(SECRET).not.toContain(name)
    for (const { env } of containers) {
      for (const { name, value, valueFrom } of env) {
        expect(SECRET).toContain(name)
        expect(value).toBeUndefined()
        expect(valueFrom?.secretKeyRef).toEqual({ name: 'confirmd', key: name })
      }
    }
    for (const path of files) {
      const text = readFileSync(path, 'utf8')
      expect(text, path).not.toMatch(/:\/\/[^\s/]*:[^\s/]*@|password|BEGIN [A-Z ]*KEY|[0-9a-f]{40}/i)
    }
  })

  it('grants more time to stop than a graceful stop may take', () => {
    const timeoutSeconds = Number(settings['SHUTDOWN_TIMEOUT_MS']) / 1_000
    expect(timeoutSeconds).toBeGreaterThan(0)
    for (const { spec } of deployments.map(podOf)) {
      const [, delaySeconds = '0'] = spec.containers[0].lifecycle?.preStop.exec.command ?? []
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(timeoutSeconds + Number(delaySeconds))
    }
  })

  it('lets nobody be root, write to the root file system or call Kubernetes', () => {
    for (const { spec } of pods) {
      expect(spec.automountServiceAccountToken).toBe(false)
      expect(spec.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      })
      expect(spec.securityContext.runAsUser).toBeGreaterThan(0)
      expect(spec.containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
    }
  })

  it('says what each container needs, and how much memory it may have', () => {
    for (const { resources: given } of containers) {
      expect(given.requests.cpu).toMatch(/^\d+m$/)
      expect(given.requests.memory).toMatch(/^\d+Mi$/)
      expect(Number.parseInt(given.limits.memory ?? '', 10)).toBeGreaterThan(
        Number.parseInt(given.requests.memory ?? '', 10),
      )
    }
  })

  it('its selectors find the pods they are meant for', () => {
    const labelsOf = (name: string) =>
      pods.find(({ metadata }) => metadata.labels['app.kubernetes.io/component'] === name)?.metadata.labels
    for (const { spec } of deployments) {
      expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels)
      for (const { labelSelector } of spec.template.spec.topologySpreadConstraints) {
        expect(labelSelector.matchLabels).toEqual(spec.selector.matchLabels)
      }
    }
    const budgets = ofKind('PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels)
    expect(budgets).toEqual([labelsOf('api'), labelsOf('worker')])
    expect(ofKind('Service').map(({ spec }) => spec.selector)).toEqual([labelsOf('api')])
    const [policy] = ofKind('NetworkPolicy')
    for (const { metadata } of pods) {
      expect(metadata.labels).toMatchObject(policy?.spec.podSelector.matchLabels ?? { none: '' })
    }
  })

  it('opens the port that the process listens on', () => {
    const port = Number(settings['PORT'])
    for (const { spec } of deployments.map(podOf)) {
      expect(spec.containers[0].ports).toEqual([{ name: 'http', containerPort: port }])
    }
    expect(settings['HOST']).toBe('0.0.0.0')
    const [service] = ofKind('Service')
    expect(service?.spec.ports).toMatchObject([{ targetPort: 'http' }])
    const [policy] = ofKind('NetworkPolicy')
    expect(policy?.spec.ingress).toEqual([{ ports: [{ protocol: 'TCP', port }] }])
  })

  describe('probes', () => {
    let statusOf: (path: string) => Promise<number>
    beforeAll(async () => {
      const app = await createApp(pino({ level: 'silent' }))
      addHealthRoutes(app, {})
      statusOf = async (path) => (await app.inject({ url: path })).statusCode
    })

    it('ask what answers: whether the process runs to restart it, whether it can work to give it work', async () => {
      for (const { spec } of deployments.map(podOf)) {
        const [{ startupProbe, livenessProbe, readinessProbe }] = spec.containers
        const probes = [startupProbe, livenessProbe, readinessProbe]
        expect(probes.map((probe) => probe?.httpGet)).toEqual(
          ['/healthz', '/healthz', '/readyz'].map((path) => ({ path, port: 'http' })),
        )
        for (const probe of probes) expect(await statusOf(probe?.httpGet.path ?? '')).toBe(200)
        // A check of /readyz may take 3 s until it is called late.
        expect(readinessProbe?.timeoutSeconds).toBeGreaterThan(3)
      }
    })
  })

  it('KEDA scales the workers by the queue that they take from, and signs in by the Secret', () => {
    const [scaled] = ofKind('ScaledObject')
    expect(scaled?.spec.scaleTargetRef).toEqual({ name: 'confirmd-worker' })
    expect(scaled?.spec.minReplicaCount).toBeGreaterThanOrEqual(2)
    const [authentication] = ofKind('TriggerAuthentication')
    const queueName = brokerNames(settings['AMQP_PREFIX'] ?? '').checkQueue
    expect(scaled?.spec.triggers).toEqual([
      {
        type: 'rabbitmq',
        metadata: { protocol: 'amqp', mode: 'QueueLength', queueName, value: expect.stringMatching(/^\d+$/) },
        authenticationRef: { name: authentication?.metadata.name },
      },
    ])
    // Each apply would undo what KEDA did.
    const worker = deployments.find((each) => each.metadata.name === 'confirmd-worker')
    expect(worker?.spec.replicas).toBeUndefined()
    expect(authentication?.spec).toEqual({
      secretTargetRef: [{ parameter: 'host', name: 'confirmd', key: 'AMQP_URL' }],
    })
  })

  it('at its largest, and while it is rolled, fits into the connections of a PostgreSQL as it comes', () => {
    const poolMax = Number(settings['DATABASE_POOL_MAX'])
    const apis = (deployments[0]?.spec.replicas ?? Number.NaN) + 1
    const workers = (ofKind('ScaledObject')[0]?.spec.maxReplicaCount ?? Number.NaN) + 1
    // Of 100 three are kept for superusers.
    expect(apis * poolMax + workers * (poolMax + 1)).toBeLessThanOrEqual(97)
  })
})
