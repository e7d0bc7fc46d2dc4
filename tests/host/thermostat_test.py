"""examples/thermostat, MQTT in a coroutine over the stack, with a mosquitto on the host: readings, new targets, a broker that goes and returns."""
import subprocess
import unittest

import lab

lab.require("mosquitto", "mosquitto_sub", "mosquitto_pub")
OPTIONS = ("--tap", "tap0", "--address", f"{lab.STACK}/24", "--broker", lab.HOST)


def tell(text):
    subprocess.run(["mosquitto_pub", "-h", lab.HOST, "-q", "1", "-t", "thermostat/target", "-m", text], check=True, timeout=lab.SECONDS)


def thermostat():
    return lab.Program(lab.programs() / "thermostat", *OPTIONS)


class Thermostat(unittest.TestCase):
    def test_it_reports_and_obeys(self):
        with lab.Broker() as broker, lab.Subscriber("thermostat") as readings, thermostat() as program:
            program.wait_for("^thermostat: ready$")
            readings.wait_for("^message thermostat 16.2$")  # a quarter of the way from 15 to 20
            readings.wait_for("^message thermostat 17.2$")
            tell("-100")
            readings.wait_for("^message thermostat -")
            tell("warm")
            program.wait_for("^thermostat: not a temperature: warm$")
            tell("off")
            self.assertEqual(program.wait(), 0, program.output)
            broker.wait_for("Received DISCONNECT from thermostat")

    def test_a_broker_that_goes_and_returns(self):
        with thermostat() as program:
            program.wait_for("connection refused by 192.0.2.1:1883; connecting again")
            with lab.Broker():
                program.wait_for("^thermostat: ready$")
            program.wait_for("^thermostat: connection (closed by|to) 192.0.2.1:1883.*; connecting again$")
            with lab.Broker() as broker, lab.Subscriber("thermostat") as readings:
                broker.wait_for("Sending SUBACK to thermostat")
                readings.wait_for("^message thermostat ")
                tell("off")
                self.assertEqual(program.wait(), 0, program.output)

    def test_a_broker_that_refuses(self):
        with lab.Broker("allow_anonymous false"), thermostat() as program:
            self.assertEqual(program.wait(), 1, program.output)
            self.assertIn("thermostat: broker refused: not authorized", program.output)


if __name__ == "__main__":
    lab.main()
