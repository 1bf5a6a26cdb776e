// A process that migrates and may be killed: node test/support/run-migrations.js <url> <folder>
import { runMigrations } from '../../dist/store/migration-runner.js'

const [url, folder] = process.argv.slice(2)
const say = (message) => void process.stdout.write(`${message}\n`)
const ran = await runMigrations({ url, folder, table: 'test_migrations', say })
say(`ran ${ran.length}`)
