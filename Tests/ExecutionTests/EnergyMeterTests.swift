import Execution
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Counters of energy in made-up folders of the system.
@Suite struct EnergyMeterTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func zone(_ name: String, _ kind: String, _ microjoules: String) throws {
    try folder.write("\(kind)\n", to: "powercap/\(name)/name")
    try folder.write("\(microjoules)\n", to: "powercap/\(name)/energy_uj")
    try folder.write("1000000000\n", to: "powercap/\(name)/max_energy_range_uj")
  }

  /// Packages and memory are summed; what is a part of them, or counts them again, is not.
  @Test func domainsAreSummed() throws {
    try zone("intel-rapl:0", "package-0", "5000000")
    try zone("intel-rapl:0:0", "core", "1")
    try zone("intel-rapl:0:1", "dram", "2000000")
    try zone("intel-rapl:1", "psys", "7")
    try folder.write("0\n", to: "powercap/intel-rapl/enabled")
    let meter = try #require(EnergyMeter(root: folder.path))
    #expect(meter.joules() == 0)
    try zone("intel-rapl:0", "package-0", "8500000")
    try zone("intel-rapl:0:1", "dram", "2250000")
    try zone("intel-rapl:0:0", "core", "999999")
    #expect(meter.joules() == 3.75)
    // Begins again at 0 behind its range.
    try zone("intel-rapl:0", "package-0", "500000")
    #expect(meter.joules() == 992)
    unlink(folder["powercap/intel-rapl:0:1/energy_uj"])
    #expect(meter.joules() == nil)
  }

  @Test func socketsAreReadWhereThereAreNoDomains() throws {
    try folder.write("Ecore000\n", to: "hwmon/hwmon2/energy1_label")
    try folder.write("100\n", to: "hwmon/hwmon2/energy1_input")
    try folder.write("Esocket0\n", to: "hwmon/hwmon2/energy9_label")
    try folder.write("1000000\n", to: "hwmon/hwmon2/energy9_input")
    let meter = try #require(EnergyMeter(root: folder.path))
    try folder.write("1250000\n", to: "hwmon/hwmon2/energy9_input")
    #expect(meter.joules() == 0.25)
    // Without a range, a counter that falls says nothing.
    try folder.write("3\n", to: "hwmon/hwmon2/energy9_input")
    #expect(meter.joules() == nil)
  }

  @Test func otherMachinesHaveNone() throws {
    #expect(EnergyMeter(root: folder.path) == nil)
    try zone("intel-rapl:0", "psys", "1")
    #expect(EnergyMeter(root: folder.path) == nil)
    try zone("intel-rapl:0", "package-0", "no number")
    #expect(EnergyMeter(root: folder.path) == nil)
    #expect(EnergyMeter(root: folder["absent"]) == nil)
  }
}
