import Tensors
import Testing

@testable import Programs

@Suite struct MatrixProductTests {
  /// A product of each kernel, with other numbers in every place.
  private static var products: [MatrixProduct] {
    ProductKernel.all.flatMap { kernel -> [MatrixProduct] in
      let product = Product(
        kernel.kind, operands: kernel.operands, weightType: kernel.weightType, m: 7, n: 11, k: 13)
      return ProductSplit.allCases.map { split in
        var matmul = MatrixProduct(
          product, strides: .init(left: 17, right: 19, result: 23),
          accumulates: split == .rows, split: split, backend: kernel.backend, alpha: 0.5)
        if kernel.operands != .f32 {
          matmul.resultType = split == .rows ? .bf16 : .f32
        } else if kernel.kind != .weightGradient {
          matmul.panelRows = 3
        }
        return matmul
      }
    }
  }

  @Test func everyKernelHasAProduct() {
    #expect(ProductKernel.all.count == 27)
    let names = ProductKernel.all.map(\.name)
    #expect(Set(names).count == 27)
    for kernel in ProductKernel.all { #expect(ProductKernel(named: kernel.name) == kernel) }
    for name in ["linear", "linear_int32", "tiled_linear_f32_", "quantised_linear_weight_gradient"]
    {
      #expect(ProductKernel(named: name) == nil, "\(name)")
    }
  }

  @Test func sizesStandWhereKernelsReadThem() {
    let product = Product(.forward, operands: .f32, weightType: .bf16, m: 7, n: 11, k: 13)
    let floats = MatrixProduct(
      product, strides: .init(left: 17, right: 19, result: 23), accumulates: true, split: .columns,
      panelRows: 5, alpha: 2)
    #expect(
      floats.encoded
        == NamedKernel("linear_bf16", sizes: [7, 11, 13, 17, 19, 23, 1, 1, 5], scalars: [2]))
    let gradient = MatrixProduct(
      Product(.weightGradient, operands: .f32, m: 7, n: 11, k: 13), split: .rows, backend: .tiles)
    #expect(
      gradient.encoded
        == NamedKernel(
          "tiled_linear_weight_gradient", sizes: [7, 11, 13, 11, 13, 13, 0, 0], scalars: [1]))
    let bytes = MatrixProduct(
      Product(.inputGradient, operands: .int8, weightType: .f32, m: 7, n: 11, k: 13),
      resultType: .bf16, split: .rows)
    #expect(
      bytes.encoded
        == NamedKernel(
          "quantised_linear_input_gradient_f32", sizes: [7, 11, 13, 11, 13, 13, 0, 0, 1],
          scalars: [1], multiplies: .int8))
  }

  @Test func whatIsEncodedIsReadBack() {
    for product in Self.products { #expect(MatrixProduct(product.encoded) == product) }
    #expect(MatrixProduct(NamedKernel("rmsnorm", sizes: [4])) == nil)
    #expect(MatrixProduct(NamedKernel("linear_f32", sizes: [4], scalars: [1])) == nil)
  }

  /// Files have the kernel of the usual backend; another one is no product's key.
  @Test func keysAreReadBack() {
    for matmul in Self.products {
      let product = matmul.product
      #expect(Product(kernel: product.kernel, m: 7, n: 11, k: 13) == product)
    }
    #expect(Product(kernel: "tiled_linear_f32", m: 7, n: 11, k: 13) == nil)
    #expect(Product(kernel: "rmsnorm", m: 7, n: 11, k: 13) == nil)
  }

  @Test func splitsShareOutRowsOrColumnsOfTheResult() {
    for product in Self.products {
      let (rows, columns) = product.product.result
      #expect(product.items == (product.variant.split == .rows ? rows : columns))
      let sharesPanels =
        product.variant == ProductVariant(.tiles, .columns)
        && product.product.kind != .weightGradient
      #expect(product.slices == (sharesPanels ? 3 : 1))
    }
  }
}
