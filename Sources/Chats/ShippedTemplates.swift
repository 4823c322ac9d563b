/// The files of `recipes/templates`. The program needs no files beside it; a test holds that both are
/// the same, and `recipes/templates/embed` writes this file.
let shippedTemplates = [
  #"""
  {
    "name": "alpaca",
    "about": "Alpaca: headings as text, for models that were never told of roles",
    "order": 130,
    "system": "{content}\n\n",
    "default_system": "Below is an instruction that describes a task. Write a response that appropriately completes the request.",
    "user": "### Instruction:\n{content}\n\n",
    "generation_prompt": "### Response:\n",
    "assistant": "{content}",
    "end_of_turn": "{eos}",
    "after_turn": "\n\n"
  }
  """#,
  #"""
  {
    "name": "chatml",
    "about": "ChatML: SmolLM2, Qwen 2 and 2.5 and many others, which differ in their default system message",
    "order": 10,
    "controls": [
      "<|im_start|>",
      "<|im_end|>"
    ],
    "system": "<|im_start|>system\n{content}<|im_end|>\n",
    "user": "<|im_start|>user\n{content}<|im_end|>\n",
    "generation_prompt": "<|im_start|>assistant\n",
    "assistant": "{content}",
    "end_of_turn": "<|im_end|>",
    "after_turn": "\n"
  }
  """#,
  #"""
  {
    "name": "gemma",
    "about": "Gemma 3: the system message stands in the first user message",
    "order": 100,
    "joined": "{system}\n\n{content}",
    "controls": [
      "<start_of_turn>",
      "<end_of_turn>"
    ],
    "begin": "{bos}",
    "user": "<start_of_turn>user\n{content}<end_of_turn>\n",
    "generation_prompt": "<start_of_turn>model\n",
    "assistant": "{content}",
    "end_of_turn": "<end_of_turn>",
    "after_turn": "\n",
    "alternates": true,
    "trims": [
      "user",
      "assistant"
    ]
  }
  """#,
  #"""
  {
    "name": "llama2",
    "about": "Llama 2: the system message stands in the first user message",
    "order": 30,
    "begin": "",
    "joined": "<<SYS>>\n{system}\n<</SYS>>\n\n{content}",
    "user": "{bos}[INST] {content} [/INST]",
    "generation_prompt": "",
    "assistant": " {content} ",
    "end_of_turn": "{eos}",
    "alternates": true,
    "trims": [
      "user",
      "assistant"
    ],
    "trims_joined": true
  }
  """#,
  #"""
  {
    "name": "llama3.1",
    "about": "Llama 3.1 and 3.2: a system message with fixed dates always stands first",
    "order": 50,
    "controls": [
      "<|start_header_id|>",
      "<|end_header_id|>",
      "<|eot_id|>"
    ],
    "begin": "{bos}",
    "system": "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n{content}<|eot_id|>",
    "default_system": "",
    "user": "<|start_header_id|>user<|end_header_id|>\n\n{content}<|eot_id|>",
    "generation_prompt": "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "assistant": "{content}",
    "end_of_turn": "<|eot_id|>",
    "trims": [
      "system",
      "user",
      "assistant"
    ]
  }
  """#,
  #"""
  {
    "name": "llama3",
    "about": "Llama 3",
    "order": 40,
    "controls": [
      "<|start_header_id|>",
      "<|end_header_id|>",
      "<|eot_id|>"
    ],
    "begin": "{bos}",
    "system": "<|start_header_id|>system<|end_header_id|>\n\n{content}<|eot_id|>",
    "user": "<|start_header_id|>user<|end_header_id|>\n\n{content}<|eot_id|>",
    "generation_prompt": "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "assistant": "{content}",
    "end_of_turn": "<|eot_id|>",
    "trims": [
      "system",
      "user",
      "assistant"
    ]
  }
  """#,
  #"""
  {
    "name": "mistral-tekken",
    "about": "Mistral Nemo: as Mistral 7B v0.3 without spaces",
    "order": 90,
    "markers": [
      "[INST]",
      "[/INST]"
    ],
    "begin": "{bos}",
    "joined": "{system}\n\n{content}",
    "joins_last": true,
    "user": "[INST]{content}[/INST]",
    "generation_prompt": "",
    "assistant": "{content}",
    "end_of_turn": "{eos}",
    "alternates": true
  }
  """#,
  #"""
  {
    "name": "mistral-v1-2023",
    "about": "Mistral 7B v0.1 and v0.2 as first published: without a system message",
    "order": 80,
    "begin": "{bos}",
    "user": "[INST] {content} [/INST]",
    "generation_prompt": "",
    "assistant": "{content}",
    "end_of_turn": "{eos}",
    "alternates": true
  }
  """#,
  #"""
  {
    "name": "mistral-v1",
    "about": "Mistral 7B v0.1 and v0.2: brackets as text, spaces around messages",
    "order": 70,
    "begin": "{bos}",
    "joined": "{system}\n\n{content}",
    "user": " [INST] {content} [/INST]",
    "generation_prompt": "",
    "assistant": " {content}",
    "end_of_turn": "{eos}",
    "alternates": true
  }
  """#,
  #"""
  {
    "name": "mistral",
    "about": "Mistral 7B v0.3: brackets are control tokens; the system message stands in the last user message",
    "order": 60,
    "markers": [
      "[INST]",
      "[/INST]"
    ],
    "begin": "{bos}",
    "joined": "{system}\n\n{content}",
    "joins_last": true,
    "user": "[INST] {content}[/INST]",
    "generation_prompt": "",
    "assistant": " {content}",
    "end_of_turn": "{eos}",
    "alternates": true,
    "trims": [
      "assistant"
    ]
  }
  """#,
  #"""
  {
    "name": "phi3",
    "about": "Phi-3 and Phi-3.5: its tokens take the white space behind them with them",
    "order": 110,
    "controls": [
      "<|user|>",
      "<|assistant|>",
      "<|end|>"
    ],
    "markers": [
      "<|system|>"
    ],
    "strips_after_controls": true,
    "system": "<|system|>\n{content}<|end|>\n",
    "user": "<|user|>\n{content}<|end|>\n",
    "generation_prompt": "<|assistant|>\n",
    "assistant": "{content}",
    "end_of_turn": "<|end|>",
    "after_turn": "\n",
    "end": "{eos}"
  }
  """#,
  #"""
  {
    "name": "qwen3",
    "about": "ChatML with reasoning: Qwen 3. The last answer begins with its reasoning, empty where it has none; earlier answers are without theirs",
    "order": 20,
    "controls": [
      "<|im_start|>",
      "<|im_end|>"
    ],
    "system": "<|im_start|>system\n{content}<|im_end|>\n",
    "user": "<|im_start|>user\n{content}<|im_end|>\n",
    "generation_prompt": "<|im_start|>assistant\n",
    "assistant": "{content}",
    "end_of_turn": "<|im_end|>",
    "after_turn": "\n",
    "markers": [
      "<think>",
      "</think>"
    ],
    "reasoning": {
      "open": "<think>\n",
      "close": "\n</think>\n\n"
    }
  }
  """#,
  #"""
  {
    "name": "zephyr",
    "about": "Zephyr and TinyLlama: roles as text, messages end with EOS",
    "order": 120,
    "markers": [
      "<|system|>",
      "<|user|>",
      "<|assistant|>"
    ],
    "system": "<|system|>\n{content}{eos}\n",
    "user": "<|user|>\n{content}{eos}\n",
    "generation_prompt": "<|assistant|>\n",
    "assistant": "{content}",
    "end_of_turn": "{eos}",
    "after_turn": "\n"
  }
  """#,
]
