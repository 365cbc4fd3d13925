@manual-3.5.2.3
Feature: Rainbow connection parameters and credentials
  Domain, PBX ID and activation code are configured in OMC. The activation code is for the first connection only;
  Rainbow then gives the PBX a final password.

  Background:
    Given an OXO Connect that Rainbow knows

  Rule: The activation code opens the first connection, the final password every later one

    Scenario: The first connection
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the PBX logged in with the activation code
      And Rainbow has the PBX as activated
      And OMC shows "Connected with final password"

    Scenario Outline: Every later connection, after <happens>
      Given the WSS link was brought up
      When <happens>
      Then the WSS link comes up again
      And the PBX logged in with the final password

      Examples:
        | happens                                      |
        | Rainbow drops the PBX                        |
        | the PBX restarts                             |
        | the power is cut                             |
        | Rainbow is disabled and enabled again by OMC |

    Scenario: The power fails while the final password is being stored
      Given the firewall is rejecting
      And Rainbow was enabled in OMC
      And the power will fail while the PBX stores its final password
      When the firewall becomes permissive
      And the power comes back
      Then the WSS link comes up
      And Rainbow has the PBX as activated

    Scenario: A wrong activation code, then the right one
      Given the activation code in OMC is wrong
      And Rainbow was enabled in OMC
      And 2 minutes have passed
      And no PBX has logged in
      When the right activation code is entered in OMC
      Then the WSS link is up
      And the PBX logged in with the activation code

    Scenario: A PBX that is unknown to Rainbow
      Given the PBX ID in OMC is not the one that Rainbow knows
      When Rainbow is enabled in OMC
      And 5 minutes pass
      Then no PBX has logged in
      And the PBX tried at least 3 times
      And Rainbow shows the PBX as Pending

  Rule: A reset in Rainbow asks for a new activation code

    Scenario: The PBX is reset in Rainbow
      Given the WSS link was brought up
      When the PBX is reset in Rainbow
      And 5 minutes pass
      Then the WSS link is down
      And the PBX has not logged in since the reset

    Scenario: The new activation code is entered
      Given the WSS link was brought up
      And the PBX was reset in Rainbow
      When the new activation code is entered in OMC
      Then the WSS link comes up again
      And the PBX logged in with the activation code
      And Rainbow has the PBX as activated

  Rule: OMC refuses bad values and names the field

    Scenario Outline: <field> is set to "<value>"
      Given the WSS link was brought up
      When <field> is set to "<value>" in OMC
      Then OMC refuses and names <field>
      And the WSS link is still the same
      And OMC shows the same connection parameters as before

      Examples:
        | field                 | value                 |
        | Domain                | open rainbow          |
        | Domain                | -openrainbow.com      |
        | PBX ID                | PBX1234               |
        | Activation code       | 999                   |
        | Port                  | 65536                 |
        | Port                  | https                 |
        | Host name or address  | http://proxy          |
        | Primary               | 198.51.100            |

  Rule: The domain decides where Rainbow is

    Scenario: Another domain than the default one
      Given Rainbow is also at the domain "rainbow.example"
      And the domain in OMC is "rainbow.example"
      When Rainbow is enabled in OMC
      Then the WSS link is up
      And the PBX asks for the server name "agent.rainbow.example" in TLS
      And the PBX asked its DNS server for "agent.rainbow.example"

    Scenario: The domain is changed to one where nobody is
      Given the WSS link was brought up
      When the domain is changed to "nowhere.example" in OMC
      And 2 minutes pass
      Then the WSS link is down
      And the PBX asked its DNS server for "agent.nowhere.example"
