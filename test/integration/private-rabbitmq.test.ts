import { createServer, type Server } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { freeRestartablePort, listenOnLoopback } from '../../src/dev/ports.ts'
import { findRabbitmqServer, startPrivateRabbitmq } from '../../src/dev/private-rabbitmq.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { describeWithBroker } from '../support/broker.ts'

describeWithBroker('a private RabbitMQ', () => {
  let folder: TemporaryFolder
  let other: Server
  beforeEach(async () => {
    folder = await createTemporaryFolder()
    other = createServer()
  })
  afterEach(async () => {
    other.close()
    await folder.remove()
  })

  it.each([
    ['its own port', 0],
    ['the port of the distribution', 1],
  ])(
    'starts on others where %s was taken after it was chosen',
    { timeout: 120_000 },
    async (_title, which) => {
      const serverPath = await findRabbitmqServer()
      if (!serverPath) throw new Error('this test starts its own broker: install rabbitmq-server')
      const chosen = [freeRestartablePort(), freeRestartablePort(), freeRestartablePort()]
      chosen[which] = listenOnLoopback(other)
      const rabbitmq = await startPrivateRabbitmq(serverPath, folder.path, {
        choosePort: () => chosen.shift() ?? freeRestartablePort(),
      })
      try {
        expect(await rabbitmq.control('list_vhosts', '--no-table-headers')).toBe('/\n')
      } finally {
        await rabbitmq.stop()
      }
    },
  )
})
